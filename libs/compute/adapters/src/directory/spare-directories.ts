/**
 * Data directories of computes that ended, kept for the next ones: making a thousand files is the dearest step of a start
 * (ext4 looks long for an inode when many were deleted of late), and reusing them costs a tenth of it.
 *
 *   R1  Whoever takes a spare must empty every file it reuses: a spare is emptied in the background, to give its room
 *       back, and may be taken before that is done.
 *   R2  Nothing of ours touches the files of a spare once it is taken: a truncation on its way has found its file already,
 *       whatever the file is called by then, so taking waits for those.
 *   R3  At most SPARES_MAX are kept, of at most SPARE_FILES_MAX files each; anything else is deleted.
 *   R4  Nothing waits for a spare to come: without one, directories and files are made.
 */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const SPARES_MAX = 4;
const SPARE_FILES_MAX = 20_000;
/** Operations on the file system at a time, so that page reads and WAL of running computes come through. */
const BATCH_SIZE = 16;

export class SpareDirectories {
  private spares: string[] = [];
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
    this.spares.push(place);
    this.work = this.work.then(() => this.clean(place));
  }

  /** Moves a spare to `target`, and tells what is in it: files and directories alone. */
  async take(target: string): Promise<ExistingTree | null> {
    const spare = this.spares.pop();
    if (spare === undefined) return null;
    await this.batch;
    renameSync(spare, target);
    const tree = walk(target);
    for (const path of tree.odd) rmSync(join(target, path));
    return tree;
  }

  /** Resolves when what was kept so far is cleaned. */
  settled(): Promise<void> {
    return this.work;
  }

  /** Somebody may take it meanwhile: then its paths are gone, and there is nothing left to do. */
  private async clean(place: string): Promise<void> {
    if (!this.spares.includes(place)) return;
    const { files } = walk(place);
    if (files.size > SPARE_FILES_MAX || this.spares.length > SPARES_MAX) {
      this.spares = this.spares.filter((spare) => spare !== place);
      await rm(place, { recursive: true, force: true }).catch(() => undefined);
      return;
    }
    const all = [...files];
    for (let at = 0; at < all.length && this.spares.includes(place); at += BATCH_SIZE) {
      const some = all.slice(at, at + BATCH_SIZE);
      this.batch = Promise.allSettled(some.map((file) => truncate(join(place, file), 0)));
      await this.batch;
    }
  }
}

/** Paths relative to the root of the tree. */
export interface ExistingTree {
  readonly directories: ReadonlySet<string>;
  readonly files: ReadonlySet<string>;
  /** Neither: links, sockets. */
  readonly odd: ReadonlySet<string>;
}

/** Links are named and never followed, as `readdirSync` with `recursive` would. */
function walk(root: string): ExistingTree {
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
