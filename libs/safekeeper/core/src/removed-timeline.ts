/**
 * What is left of a timeline where it was removed, because the safekeeper is no member any more: the membership that it went by, as
 * a file. Layout: `docs/protocols/safekeeper.md`.
 *
 *   RV1  `decode(encode(removed))` equals `removed`.
 *   RV2  A file with a wrong magic, version, length or checksum, or without a list of members, is `Corrupt`: it is never taken for none.
 */
import { type RemovedTimeline, readMembership, writeMembership } from '@neon/consensus';
import { ByteReader, ByteWriter, Corrupt, crc32c } from '@neon/kernel';

const MAGIC = 0x4e534b52; // "NSKR"
const VERSION = 1;
const CHECKSUM_SIZE = 4;

export function encodeRemovedTimeline({ membership }: RemovedTimeline): Uint8Array {
  const writer = new ByteWriter(256).u32(MAGIC).u16(VERSION);
  writeMembership(writer, membership);
  const content = writer.finish();
  return new ByteWriter(content.length + CHECKSUM_SIZE).bytes(content).u32(crc32c(content)).finish();
}

/** @throws Corrupt */
export function decodeRemovedTimeline(bytes: Uint8Array): RemovedTimeline {
  const content = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_SIZE));
  try {
    const reader = new ByteReader(content);
    if (reader.u32() !== MAGIC) throw new Corrupt('not the tombstone of a removed timeline');
    const version = reader.u16();
    if (version !== VERSION)
      throw new Corrupt(`tombstone of a removed timeline of version ${version}, this safekeeper knows ${VERSION}`);
    if (new ByteReader(bytes.subarray(content.length)).u32() !== crc32c(content))
      throw new Corrupt('tombstone of a removed timeline does not have its checksum');
    const membership = readMembership(reader);
    reader.end();
    if (membership.kind !== 'settled') throw new Corrupt('tombstone of a removed timeline without its members');
    return { membership };
  } catch (cause) {
    throw cause instanceof Corrupt ? cause : new Corrupt('tombstone of a removed timeline is malformed', { cause });
  }
}
