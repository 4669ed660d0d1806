/**
 * The trim point: the LSN below which a safekeeper has removed WAL, and whether all of it is in the archive alone. A file of its own
 * beside the control file, because it changes at other times, and a vote must not wait for it. Layout:
 * `docs/protocols/safekeeper.md`.
 *
 *   TP1  `decode(encode(point))` equals `point`.
 *   TP2  A file with a wrong magic, version, length or checksum is `Corrupt`.
 *   TP3  Version 1, which knows no offloaded timelines, is read.
 */
import { ByteReader, ByteWriter, Corrupt, type Lsn, Term, crc32c } from '@neon/kernel';
import type { OffloadPoint } from './archive/archive-layout';

export interface TrimPoint {
  readonly trimmedLsn: Lsn;
  /** Null: what is above `trimmedLsn` is here. */
  readonly offloaded: OffloadPoint | null;
}

const MAGIC = 0x4e534b54; // "NSKT"
const VERSION = 2;
const VERSION_WITHOUT_OFFLOAD = 1;
const CHECKSUM_SIZE = 4;
const SIZE_MIN = 4 + 2 + 8 + CHECKSUM_SIZE;

export function encodeTrimPoint({ trimmedLsn, offloaded }: TrimPoint): Uint8Array {
  const writer = new ByteWriter(64).u32(MAGIC).u16(VERSION).u64(trimmedLsn);
  if (offloaded === null) writer.u8(0);
  else writer.u8(1).u64(offloaded.endLsn).u64(offloaded.term);
  const content = writer.finish();
  return new ByteWriter(content.length + CHECKSUM_SIZE).bytes(content).u32(crc32c(content)).finish();
}

/** @throws Corrupt */
export function decodeTrimPoint(bytes: Uint8Array): TrimPoint {
  if (bytes.length < SIZE_MIN || new ByteReader(bytes).u32() !== MAGIC) throw new Corrupt('not a trim point');
  const content = bytes.subarray(0, bytes.length - CHECKSUM_SIZE);
  if (new ByteReader(bytes.subarray(content.length)).u32() !== crc32c(content))
    throw new Corrupt('trim point does not have its checksum');
  const reader = new ByteReader(content.subarray(4));
  const version = reader.u16();
  if (version !== VERSION && version !== VERSION_WITHOUT_OFFLOAD)
    throw new Corrupt(`trim point of version ${version}, this safekeeper knows ${VERSION}`);
  try {
    const trimmedLsn = reader.lsn();
    const isOffloaded = version === VERSION && reader.u8() === 1;
    const offloaded = isOffloaded ? { endLsn: reader.lsn(), term: Term.of(reader.safeU64()) } : null;
    if (reader.remaining > 0) throw new Corrupt(`trim point with ${reader.remaining} bytes too many`);
    return { trimmedLsn, offloaded };
  } catch (cause) {
    throw cause instanceof Corrupt ? cause : new Corrupt('trim point is malformed', { cause });
  }
}
