/**
 * The control file: what an acceptor must remember besides WAL. Layout: `docs/protocols/safekeeper.md`.
 *
 *   CF1  `decode(encode(state))` equals `state`.
 *   CF2  A file with a wrong magic, version, length or checksum is `Corrupt`; it is never read in part.
 *   CF3  Version 1, which knows a membership by its generation alone, is read as a founding membership.
 */
import { type DurableAcceptorState, Membership, TermHistory, readMembership, writeMembership } from '@neon/consensus';
import {
  ByteReader,
  ByteWriter,
  Corrupt,
  Lsn,
  SafekeeperId,
  SystemId,
  TenantId,
  Term,
  TimelineId,
  crc32c,
} from '@neon/kernel';

const MAGIC = 0x4e534b43; // "NSKC"
const VERSION = 2;
const VERSION_WITHOUT_MEMBERS = 1;
const CHECKSUM_SIZE = 4;

export function encodeControlFile(state: DurableAcceptorState): Uint8Array {
  const { identity } = state;
  const writer = new ByteWriter(256);
  writer
    .u32(MAGIC)
    .u16(VERSION)
    .u64(state.safekeeperId)
    .bytes(TenantId.toBytes(identity.tenantId))
    .bytes(TimelineId.toBytes(identity.timelineId))
    .u16(identity.pgMajor)
    .u64(SystemId.toBigInt(identity.systemId))
    .u32(identity.walSegmentSize);
  writeMembership(writer, state.membership);
  writer.u64(state.term).u64(state.commitLsn).u64(state.truncateLsn).u32(state.termHistory.length);
  for (const { term, startLsn } of state.termHistory) writer.u64(term).u64(startLsn);
  const content = writer.finish();
  return new ByteWriter(content.length + CHECKSUM_SIZE).bytes(content).u32(crc32c(content)).finish();
}

/** @throws Corrupt */
export function decodeControlFile(bytes: Uint8Array): DurableAcceptorState {
  const content = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_SIZE));
  try {
    const head = new ByteReader(bytes);
    if (head.u32() !== MAGIC) throw new Corrupt('not a safekeeper control file');
    const version = head.u16();
    if (version !== VERSION && version !== VERSION_WITHOUT_MEMBERS)
      throw new Corrupt(`control file of version ${version}, this safekeeper knows ${VERSION}`);
    const checksum = new ByteReader(bytes.subarray(content.length)).u32();
    if (checksum !== crc32c(content)) throw new Corrupt('control file does not have its checksum');
    return readState(new ByteReader(content.subarray(6)), version);
  } catch (cause) {
    throw cause instanceof Corrupt ? cause : new Corrupt('control file is malformed', { cause });
  }
}

function readState(reader: ByteReader, version: number): DurableAcceptorState {
  const safekeeperId = SafekeeperId.of(reader.safeU64());
  const identity = {
    tenantId: TenantId.fromBytes(reader.bytes(16)),
    timelineId: TimelineId.fromBytes(reader.bytes(16)),
    pgMajor: reader.u16(),
    systemId: SystemId.fromBigInt(reader.u64()),
    walSegmentSize: reader.u32(),
  };
  const membership = version === VERSION_WITHOUT_MEMBERS ? Membership.founding(reader.u32()) : readMembership(reader);
  const term = Term.of(reader.safeU64());
  const commitLsn = reader.lsn();
  const truncateLsn = reader.lsn();
  const count = reader.u32();
  if (count * 16 !== reader.remaining) throw new Corrupt(`control file with a history of ${count} entries`);
  const entries = Array.from({ length: count }, () => ({ term: Term.of(reader.safeU64()), startLsn: reader.lsn() }));
  const termHistory = TermHistory.of(entries);
  return { safekeeperId, identity, membership, term, termHistory, commitLsn, truncateLsn };
}

/** Whether two states are of the same creation, whatever has become of it: what a repeated create request is compared with. */
export const sameCreation = (a: DurableAcceptorState, b: DurableAcceptorState): boolean =>
  a.identity.pgMajor === b.identity.pgMajor &&
  a.identity.systemId === b.identity.systemId &&
  a.identity.walSegmentSize === b.identity.walSegmentSize &&
  Lsn.format(TermHistory.startLsn(a.termHistory)) === Lsn.format(TermHistory.startLsn(b.termHistory));
