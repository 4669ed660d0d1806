/**
 * Makes a planned data directory real, in one go: it is on the path of every cold start, and calls that return at once
 * are cheaper than a thousand promises.
 *
 *   O1  Afterwards the directory holds what the plan says and nothing else, whatever spare it was made from: each reused
 *       file is emptied before it gets its length and content, unless its spare says that it is empty and of that length,
 *       and what the plan does not name is removed.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchownSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { DirectoryPlan } from '@neon/compute-core';
import type { SparseWalFile } from '@neon/postgres';
import type { PostgresUser } from '@neon/postgres-server';
import type { ExistingTree } from './spare-directories';

const PAGE_SIZE = 8192;

export interface LayOut {
  /** Its parent exists; it does when there is a spare. */
  readonly directory: string;
  /** What is there, to be reused. */
  readonly spare: ExistingTree | null;
  readonly plan: DirectoryPlan;
  /** For pg_wal. */
  readonly walFiles: readonly SparseWalFile[];
  /** Who will own everything, when it is not us. */
  readonly owner: PostgresUser | null;
}

interface WantedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly pieces: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

export function layOut({ directory, spare, plan, walFiles, owner }: LayOut): void {
  const wanted: WantedFile[] = [
    ...plan.files.map(({ path, content }) => ({
      path,
      sizeBytes: content.length,
      pieces: [{ offset: 0, bytes: content }],
    })),
    ...plan.placeholders.map(({ path, blockCount }) => ({ path, sizeBytes: blockCount * PAGE_SIZE, pieces: [] })),
    ...walFiles.map(({ fileName, sizeBytes, pieces }) => ({ path: `pg_wal/${fileName}`, sizeBytes, pieces })),
  ];
  if (spare === null) makeDirectory(directory, owner);
  for (const path of plan.directories)
    if (spare?.directories.has(path) !== true) makeDirectory(`${directory}/${path}`, owner);
  for (const file of wanted) {
    if (file.pieces.length === 0 && spare?.lengths.get(file.path) === file.sizeBytes) continue;
    const flags = spare?.files.has(file.path) === true ? REUSE : CREATE;
    makeFile({ ...file, path: `${directory}/${file.path}` }, flags, flags === CREATE ? owner : null);
  }
  if (spare === null) return;
  const files = new Set(wanted.map(({ path }) => path));
  const directories = new Set(plan.directories);
  for (const path of spare.files) if (!files.has(path)) rmSync(`${directory}/${path}`);
  for (const path of spare.directories)
    if (!directories.has(path)) rmSync(`${directory}/${path}`, { recursive: true, force: true });
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const REUSE = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW;

/** Zeros that take no room on disk, but for the pieces. */
function makeFile({ path, sizeBytes, pieces }: WantedFile, flags: number, owner: PostgresUser | null): void {
  const fd = openSync(path, flags, 0o600);
  try {
    if (sizeBytes > 0) ftruncateSync(fd, sizeBytes);
    for (const { offset, bytes } of pieces) writeAll(fd, bytes, offset);
    if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}

export function makeDirectory(path: string, owner: PostgresUser | null): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o700);
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
}

/** Replaces a small file. */
export function writeOwned(path: string, text: string, owner: PostgresUser | null): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
}
