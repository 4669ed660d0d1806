/**
 * WAL read from the segment files of a data directory, for safekeepers that lag behind what memory holds.
 *
 *   F1  It answers only bytes that were in the segment named for them when they were read: Postgres renames a segment it
 *       no longer needs before it reuses the file, so a name that still leads to the file read proves its content.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lsn } from '@neon/kernel';
import { WalSegment } from '@neon/postgres';

export interface WalRange {
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
}

/** The beginning of the range, up to the end of its segment; null when Postgres no longer has that segment. */
export async function readLocalWal(walDir: string, range: WalRange, segmentSize: number): Promise<Uint8Array | null> {
  const address = { lsn: range.startLsn, segmentSize };
  const offset = WalSegment.offset(address);
  const size = Math.min(range.endLsn - range.startLsn, segmentSize - offset);
  const path = join(walDir, WalSegment.fileName(address));
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    return null;
  }
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size, offset);
    const [read, named] = await Promise.all([file.stat(), stat(path)]);
    return bytesRead === size && read.ino === named.ino ? buffer : null;
  } catch {
    return null;
  } finally {
    await file.close();
  }
}
