/**
 * A ustar archive held in memory, as its files: what a basebackup is.
 *
 *   U1  Every header's checksum is verified, and an archive without its end mark is `Corrupt`: a stream that was cut off
 *       never passes for a whole one.
 *   U2  Contents are views, not copies. Only regular files and directories occur; directories are left out.
 */
import type { PlannedFile } from '@neon/compute-core';
import { Corrupt } from '@neon/kernel';

const BLOCK = 512;
const FIELD = { name: [0, 100], size: [124, 12], checksum: [148, 8], type: [156, 1], prefix: [345, 155] } as const;

/** @throws Corrupt */
export function readTar(archive: Buffer): PlannedFile[] {
  const files: PlannedFile[] = [];
  for (let at = 0; at + BLOCK <= archive.length;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return files;
    verifyChecksum(header, at);
    const size = octal(header, FIELD.size);
    const start = at + BLOCK;
    if (start + size > archive.length) throw new Corrupt(`basebackup ends within the file at ${at}`);
    const type = text(header, FIELD.type);
    const prefix = text(header, FIELD.prefix);
    const name = text(header, FIELD.name);
    if (type === '0' || type === '')
      files.push({ path: prefix === '' ? name : `${prefix}/${name}`, content: archive.subarray(start, start + size) });
    else if (type !== '5') throw new Corrupt(`basebackup holds an entry of type ${JSON.stringify(type)}`);
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new Corrupt('basebackup has no end mark');
}

function verifyChecksum(header: Buffer, at: number): void {
  const [offset, length] = FIELD.checksum;
  let sum = 32 * length;
  for (let i = 0; i < BLOCK; i++) if (i < offset || i >= offset + length) sum += header.readUInt8(i);
  if (sum !== octal(header, FIELD.checksum)) throw new Corrupt(`basebackup: bad tar header at ${at}`);
}

function text(header: Buffer, [offset, length]: readonly [number, number]): string {
  const field = header.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function octal(header: Buffer, field: readonly [number, number]): number {
  const digits = text(header, field).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Corrupt(`basebackup: not an octal number: ${JSON.stringify(digits)}`);
  return parseInt(digits, 8);
}
