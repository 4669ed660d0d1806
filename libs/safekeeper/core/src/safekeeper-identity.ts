/**
 * Who a data directory belongs to: the safekeeper's id, and the life of the directory. Layout:
 * `docs/protocols/safekeeper.md`.
 *
 *   SI1  `decode(encode(identity))` equals `identity`; anything else is `Corrupt`.
 *   SI2  A directory keeps its incarnation for good. One that was lost and made again has another, by which it is known
 *        that it has forgotten what the safekeeper had confirmed.
 */
import { ByteReader, ByteWriter, Corrupt, SafekeeperId, crc32c } from '@neon/kernel';

export interface SafekeeperIdentity {
  readonly id: SafekeeperId;
  /** A random UUID. */
  readonly incarnation: string;
}

const MAGIC = 0x4e534b49; // "NSKI"
const VERSION = 1;
const CHECKSUM_SIZE = 4;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function encodeSafekeeperIdentity({ id, incarnation }: SafekeeperIdentity): Uint8Array {
  const content = new ByteWriter(64).u32(MAGIC).u16(VERSION).u64(id).text(incarnation).finish();
  return new ByteWriter(content.length + CHECKSUM_SIZE).bytes(content).u32(crc32c(content)).finish();
}

/** @throws Corrupt */
export function decodeSafekeeperIdentity(bytes: Uint8Array): SafekeeperIdentity {
  const content = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_SIZE));
  try {
    const reader = new ByteReader(content);
    if (reader.u32() !== MAGIC) throw new Corrupt('not a safekeeper identity file');
    const version = reader.u16();
    if (version !== VERSION) throw new Corrupt(`identity file of version ${version}, this safekeeper knows ${VERSION}`);
    if (new ByteReader(bytes.subarray(content.length)).u32() !== crc32c(content))
      throw new Corrupt('identity file does not have its checksum');
    const identity = { id: SafekeeperId.of(reader.safeU64()), incarnation: reader.text() };
    reader.end();
    if (!UUID.test(identity.incarnation)) throw new Corrupt('identity file without a UUID');
    return identity;
  } catch (cause) {
    throw cause instanceof Corrupt ? cause : new Corrupt('identity file is malformed', { cause });
  }
}
