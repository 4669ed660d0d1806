/**
 * The file operations that a safekeeper's storage is made of: `node:fs`, and the one seam at which a test puts a disk that
 * fails (`testing/faulty-disk.ts`).
 *
 *   DK1  Storage touches files through a `Disk` alone, so that every operation it makes can be made to fail.
 */
import { writevSync } from 'node:fs';
import * as fs from 'node:fs/promises';

export interface DiskFile {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  writev(buffers: readonly Uint8Array[], position: number): Promise<{ readonly bytesWritten: number }>;
  /** `writev` that blocks the event loop. @returns the number of bytes written */
  writevNow(buffers: readonly Uint8Array[], position: number): number;
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<{ readonly size: number; readonly blocks: number }>;
  close(): Promise<void>;
}

export interface Disk {
  open(path: string, flags: string | number, mode?: number): Promise<DiskFile>;
  readFile(path: string): Promise<Uint8Array>;
  readdir(path: string): Promise<string[]>;
  /** Creates the directories above it too. @returns the first one that it had to make */
  mkdir(path: string): Promise<string | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** Files and whole directories; harmless when there is none. */
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
}

export const nodeDisk: Disk = {
  open: async (path, flags, mode) => {
    const file = await fs.open(path, flags, mode);
    return {
      read: (buffer, offset, length, position) => file.read(buffer, offset, length, position),
      write: (buffer, offset, length, position) => file.write(buffer, offset, length, position),
      writev: (buffers, position) => file.writev([...buffers], position),
      writevNow: (buffers, position) => writevSync(file.fd, buffers, position),
      truncate: (size) => file.truncate(size),
      sync: () => file.sync(),
      stat: () => file.stat(),
      close: () => file.close(),
    };
  },
  readFile: (path) => fs.readFile(path),
  readdir: (path) => fs.readdir(path),
  mkdir: (path) => fs.mkdir(path, { recursive: true, mode: 0o700 }),
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.rm(path, { recursive: true, force: true }),
  exists: (path) =>
    fs.stat(path).then(
      () => true,
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw error;
      },
    ),
};

export const isMissing = (error: unknown): boolean => hasCode(error, 'ENOENT');

/** Whether an error, or what it was caused by, is of a full disk. */
export const isDiskFull = (error: unknown): boolean =>
  hasCode(error, 'ENOSPC') ||
  hasCode(error, 'EDQUOT') ||
  (error instanceof Error && error.cause !== undefined && isDiskFull(error.cause));

const hasCode = (error: unknown, code: string): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code;
