/**
 * Data directories of computes that ended, kept for the next ones: making a thousand files is the dearest step of a start
 * (ext4 looks long for an inode when many were deleted of late), and reusing them costs a tenth of it.
 *
 *   R1  A spare is emptied in the background, to give its room back, and may be taken before that is done. Whoever takes one
 *       must empty every file it reuses, but for those with a length: they are that long, and nothing but zeros.
 *   R2  Nothing of ours touches the files of a spare once it is taken: a truncation on its way has found its file already,
 *       whatever the file is called by then, so taking waits for those.
 *   R3  At most SPARES_MAX are kept, of at most SPARE_FILES_MAX files each; anything else is deleted.
 *   R4  Nothing waits for a spare to come: without one, directories and files are made.
 */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const SPARES_MAX = 4;
const SPARE_FILES_MAX = 20_000;
/** Operations on the file system at a time, so that page reads and WAL of running computes come through. */
const BATCH_SIZE = 16;

interface Spare {
  readonly place: string;
  /** Of files that are emptied. */
  readonly lengths: Map<string, number>;
}

export class SpareDirectories {
  private spares: Spare[] = [];
  private count = 0;
  private work: Promise<void> = Promise.resolve();
  /** The truncations under way. */
  private batch: Promise<unknown> = Promise.resolve();

  /** @param directory of our own, on the file system of the computes' directories */
  constructor(private readonly directory: string) {}

  /** No process may be using it. The name is free, and a spare is there, when this resolves. */
  async keep(dataDir: string): Promise<void> {
    const place = join(this.directory, `${++this.count}`);
    await mkdir(this.directory, { recursive: true });
    try {
      await rename(dataDir, place);
    } catch {
      return;
    }
    const spare: Spare = { place, lengths: new Map() };
    this.spares.push(spare);
    this.work = this.work.then(() => this.clean(spare));
  }

  /** Moves a spare to `target`, and tells what is in it: files and directories alone. */
  async take(target: string): Promise<ExistingTree | null> {
    const spare = this.spares.pop();
    if (spare === undefined) return null;
    await this.batch;
    renameSync(spare.place, target);
    // Looked at now, not when it was kept: who deletes the directory of a compute may still be at it by then.
    const tree = walk(target);
    for (const path of tree.odd) rmSync(join(target, path), { force: true });
    return { ...tree, lengths: new Map([...spare.lengths].filter(([path]) => tree.files.has(path))) };
  }

  /** Resolves when what was kept so far is cleaned. */
  settled(): Promise<void> {
    return this.work;
  }

  /** Somebody may take it meanwhile: then its paths are gone, and there is nothing left to do. */
  private async clean(spare: Spare): Promise<void> {
    if (!this.spares.includes(spare)) return;
    const { files } = walk(spare.place);
    if (files.size > SPARE_FILES_MAX || this.spares.length > SPARES_MAX) {
      this.spares = this.spares.filter((each) => each !== spare);
      await rm(spare.place, { recursive: true, force: true }).catch(() => undefined);
      return;
    }
    const all = [...files];
    for (let at = 0; at < all.length && this.spares.includes(spare); at += BATCH_SIZE) {
      const some = all.slice(at, at + BATCH_SIZE);
      this.batch = Promise.allSettled(some.map((file) => empty(spare, file)));
      await this.batch;
    }
  }
}

/** The length stays: it is most often the one that the next compute wants. */
async function empty({ place, lengths }: Spare, file: string): Promise<void> {
  const path = join(place, file);
  const { size } = await stat(path);
  await truncate(path, 0);
  if (size > 0) await truncate(path, size);
  lengths.set(file, size);
}

export interface ExistingTree extends FileTree {
  /** Of files that hold nothing but zeros. */
  readonly lengths: ReadonlyMap<string, number>;
}

/** Paths relative to the root of the tree. */
interface FileTree {
  readonly directories: ReadonlySet<string>;
  readonly files: ReadonlySet<string>;
  /** Neither: links, sockets. */
  readonly odd: ReadonlySet<string>;
}

/** Links are named and never followed, as `readdirSync` with `recursive` would. */
function walk(root: string): FileTree {
  const directories = new Set<string>();
  const files = new Set<string>();
  const odd = new Set<string>();
  const pending = [''];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop())
    for (const entry of readdirSync(join(root, parent), { withFileTypes: true })) {
      const path = parent === '' ? entry.name : `${parent}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      (entry.isDirectory() ? directories : entry.isFile() ? files : odd).add(path);
    }
  return { directories, files, odd };
}
