/**
 * Makes a planned data directory real, in one go: it is on the path of every cold start, and calls that return at once
 * are cheaper than a thousand promises.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fchownSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { DirectoryPlan } from '@neon/compute-core';
import type { SparseWalFile } from '@neon/postgres';
import type { PostgresUser } from '@neon/postgres-server';

const PAGE_SIZE = 8192;

export interface LayOut {
  /** Exists not yet; its parent does. */
  readonly directory: string;
  readonly plan: DirectoryPlan;
  /** For pg_wal. */
  readonly walFiles: readonly SparseWalFile[];
  /** Who will own everything, when it is not us. */
  readonly owner: PostgresUser | null;
}

export function layOut({ directory, plan, walFiles, owner }: LayOut): void {
  makeDirectory(directory, owner);
  for (const path of plan.directories) makeDirectory(`${directory}/${path}`, owner);
  for (const { path, content } of plan.files)
    makeFile({ path: `${directory}/${path}`, sizeBytes: content.length, owner }, (fd) => writeAll(fd, content, 0));
  for (const { path, blockCount } of plan.placeholders)
    makeFile({ path: `${directory}/${path}`, sizeBytes: blockCount * PAGE_SIZE, owner });
  for (const { fileName, sizeBytes, pieces } of walFiles)
    makeFile({ path: `${directory}/pg_wal/${fileName}`, sizeBytes, owner }, (fd) => {
      for (const { offset, bytes } of pieces) writeAll(fd, bytes, offset);
    });
}

export function makeDirectory(path: string, owner: PostgresUser | null): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o700);
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
}

interface NewFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly owner: PostgresUser | null;
}

/** Zeros that take no room on disk, but for what `fill` writes. */
function makeFile({ path, sizeBytes, owner }: NewFile, fill?: (fd: number) => void): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    if (sizeBytes > 0) ftruncateSync(fd, sizeBytes);
    fill?.(fd);
    if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}

/** Replaces a small file. */
export function writeOwned(path: string, text: string, owner: PostgresUser | null): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
}
