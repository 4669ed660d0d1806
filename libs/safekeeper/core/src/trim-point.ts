/**
 * The trim point: the LSN below which a safekeeper has removed WAL. A file of its own beside the control file, because it
 * changes at other times, and a vote must not wait for it. Layout: `docs/protocols/safekeeper.md`.
 *
 *   TP1  `decode(encode(lsn))` equals `lsn`.
 *   TP2  A file with a wrong magic, version, length or checksum is `Corrupt`.
 */
import { ByteReader, ByteWriter, Corrupt, type Lsn, crc32c } from '@neon/kernel';

const MAGIC = 0x4e534b54; // "NSKT"
const VERSION = 1;
const SIZE = 4 + 2 + 8 + 4;

export function encodeTrimPoint(trimmedLsn: Lsn): Uint8Array {
  const content = new ByteWriter(SIZE).u32(MAGIC).u16(VERSION).u64(trimmedLsn).finish();
  return new ByteWriter(SIZE).bytes(content).u32(crc32c(content)).finish();
}

/** @throws Corrupt */
export function decodeTrimPoint(bytes: Uint8Array): Lsn {
  const reader = new ByteReader(bytes);
  if (bytes.length !== SIZE || reader.u32() !== MAGIC) throw new Corrupt('not a trim point');
  const content = bytes.subarray(0, SIZE - 4);
  if (new ByteReader(bytes.subarray(SIZE - 4)).u32() !== crc32c(content))
    throw new Corrupt('trim point does not have its checksum');
  const version = reader.u16();
  if (version !== VERSION) throw new Corrupt(`trim point of version ${version}, this safekeeper knows ${VERSION}`);
  return reader.lsn();
}
