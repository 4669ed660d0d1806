/**
 * Files that are either there as a whole or not at all.
 *
 *   DF1  `replaceFile` leaves the former content or all of the latter, whenever the power goes.
 *   DF2  `writeAll` writes all of it or throws: a single write may end early, as it does just before a disk is full.
 *   DF3  `renameDurably` takes a name back that may not last: another attempt changes the directory anew.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile } from './disk';

/** Makes the names in a directory durable. */
export async function syncDirectory(disk: Disk, path: string): Promise<void> {
  const directory = await disk.open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** DF2. */
export async function writeAll(file: Pick<DiskFile, 'write'>, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;)
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
}

/** DF3: within a directory. */
export async function renameDurably(disk: Disk, from: string, to: string): Promise<void> {
  await disk.rename(from, to);
  try {
    await syncDirectory(disk, dirname(to));
  } catch (error) {
    await disk.rename(to, from);
    throw error;
  }
}

export async function replaceFile(disk: Disk, path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await disk.open(temporary, 'w', 0o600);
  try {
    await writeAll(file, content, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await syncDirectory(disk, dirname(path));
}
