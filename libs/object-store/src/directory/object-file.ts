/**
 * An object as a file: its content, then a footer of 12 bytes.
 *
 *   F1  The footer is the CRC-32C of the content (4 bytes, little-endian) and the 8 bytes `NEONOBJ1`. Content and checksum are
 *       replaced by the same rename: there is no moment at which one belongs to another put than the other.
 *   F2  A file without the footer, or of another content than its checksum says, is Corrupt.
 */
import type { FileHandle } from 'node:fs/promises';
import { Corrupt } from '@neon/kernel';

export const FOOTER_SIZE = 12;
const MAGIC = Buffer.from('NEONOBJ1', 'latin1');

export function footerOf(checksum: number): Uint8Array {
  const footer = Buffer.alloc(FOOTER_SIZE);
  footer.writeUInt32LE(checksum, 0);
  MAGIC.copy(footer, 4);
  return footer;
}

export interface ObjectFile {
  readonly size: number;
  readonly checksum: number;
  readonly etag: string;
}

/** @throws Corrupt */
export async function readFooter(handle: FileHandle, path: string): Promise<ObjectFile> {
  const { size: fileSize, ino, mtimeNs } = await handle.stat({ bigint: true });
  const size = Number(fileSize) - FOOTER_SIZE;
  const footer = size < 0 ? Buffer.alloc(0) : await readExactly(handle, path, { offset: size, length: FOOTER_SIZE });
  if (!footer.subarray(4).equals(MAGIC)) throw new Corrupt(`${path} does not end as an object does`);
  const checksum = footer.readUInt32LE(0);
  return { size, checksum, etag: [ino, mtimeNs, checksum].map((part) => part.toString(16)).join('-') };
}

/** @throws Corrupt when the file ends before */
export async function readExactly(
  handle: FileHandle,
  path: string,
  { offset, length, signal }: { offset: number; length: number; signal?: AbortSignal | undefined },
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length;) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(bytes, at, Math.min(length - at, PORTION_SIZE), offset + at);
    if (bytesRead === 0) throw new Corrupt(`${path} ends before ${offset + length}`);
    at += bytesRead;
  }
  return bytes;
}

export async function writeFully(
  handle: FileHandle,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    signal?.throwIfAborted();
    at += (await handle.write(bytes, at, Math.min(bytes.length - at, PORTION_SIZE))).bytesWritten;
  }
}

/** Read or written between two looks at an abort signal. */
const PORTION_SIZE = 8 * 1024 * 1024;
