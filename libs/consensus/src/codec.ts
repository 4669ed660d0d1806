/**
 * Bytes of the consensus messages, as frames of the kernel (`u32 length | u8 tag | payload`), big-endian.
 *
 *   C1  `decode(encode(m))` equals `m`.
 *   C2  Any other payload throws `ByteReadError`: lengths, counts and ranges are checked before they are used.
 *   C3  A greeting of another protocol version throws `VersionUnsupported`, however the rest of it is laid out: the version
 *       has the same place in all of them.
 *
 * Tables of the fields: `docs/protocols/safekeeper.md`.
 */
import {
  ByteReadError,
  ByteReader,
  ByteWriter,
  FRAME_HEADER_SIZE,
  type Frame,
  SafekeeperId,
  SystemId,
  TenantId,
  Term,
  TimelineId,
  encodeFrame,
  unreachable,
} from '@neon/kernel';
import {
  APPEND_SIZE_MAX,
  type AcceptorMessage,
  type AppendRequest,
  type AppendResponse,
  FULL,
  type ProposerMessage,
  PROTOCOL_VERSION,
  REFUSAL_CODES,
  type TimelineIdentity,
} from './message';
import { readMembershipBody, writeMembershipBody } from './membership-codec';
import { TermHistory } from './term-history';

/** C3. Its peer is told so, and by what it can read: a refusal is the same in all versions. */
export class VersionUnsupported extends ByteReadError {
  constructor(readonly version: number) {
    super(`protocol version ${version}, here ${PROTOCOL_VERSION}`);
  }
}

/**
 * An election carries the whole term history, 16 bytes for each term that wrote WAL: room for a million of them, which is
 * a compute started every five minutes for ten years. Only a peer with a token for the timeline may send as much.
 */
export const FRAME_SIZE_MAX = 16 * 1024 * 1024;

const TAG = {
  greetingRequest: 0x01,
  voteRequest: 0x02,
  electedRequest: 0x03,
  appendRequest: 0x04,
  greetingResponse: 0x81,
  voteResponse: 0x82,
  appendResponse: 0x83,
  sessionRefused: 0x84,
} as const;

export function encodeProposerMessage(message: ProposerMessage): Uint8Array {
  if (message.kind === 'appendRequest') return encodeAppendRequest(message);
  const writer = new ByteWriter();
  writer.u32(message.kind === 'greetingRequest' ? message.membership.generation : message.membershipGeneration);
  switch (message.kind) {
    case 'greetingRequest':
      writer.u16(PROTOCOL_VERSION);
      writeIdentity(writer, message.identity).text(message.token);
      writeMembershipBody(writer, message.membership);
      if (message.traceparent !== undefined) writer.text(message.traceparent);
      break;
    case 'voteRequest':
      writer.u64(message.term);
      break;
    case 'electedRequest':
      writer.u64(message.term).u64(message.startLsn);
      writeHistory(writer, message.termHistory);
      break;
    default:
      unreachable(message);
  }
  return encodeFrame(TAG[message.kind], writer.finish());
}

const APPEND_HEADER_SIZE = FRAME_HEADER_SIZE + 4 + 4 * 8;

/** Every commit makes one: the whole frame at once, so that its WAL is copied once. */
const encodeAppendRequest = (message: AppendRequest): Uint8Array =>
  new ByteWriter(APPEND_HEADER_SIZE + message.bytes.length)
    .u32(APPEND_HEADER_SIZE - 4 + message.bytes.length)
    .u8(TAG.appendRequest)
    .u32(message.membershipGeneration)
    .u64(message.term)
    .u64(message.startLsn)
    .u64(message.commitLsn)
    .u64(message.truncateLsn)
    .bytes(message.bytes)
    .finish();

const APPEND_RESPONSE_SIZE = FRAME_HEADER_SIZE + 4 + 4 * 8;
const PAGESERVER_SIZE = 2 * 8;

function encodeAppendResponse(message: AppendResponse): Uint8Array {
  const { fullness, pageserver } = message;
  const told = (fullness === undefined ? 0 : 1) + (pageserver === undefined ? 0 : PAGESERVER_SIZE);
  const size = APPEND_RESPONSE_SIZE + told;
  const writer = new ByteWriter(size)
    .u32(size - 4)
    .u8(TAG.appendResponse)
    .u32(message.membershipGeneration)
    .u64(message.term)
    .u64(message.flushLsn)
    .u64(message.durableLsn)
    .u64(message.commitLsn);
  if (fullness !== undefined) writer.u8(fullness);
  if (pageserver !== undefined) writer.u64(pageserver.receivedLsn).u64(pageserver.durableLsn);
  return writer.finish();
}

export function encodeAcceptorMessage(message: AcceptorMessage): Uint8Array {
  if (message.kind === 'appendResponse') return encodeAppendResponse(message);
  const writer = new ByteWriter(128);
  if (message.kind === 'sessionRefused') {
    writer.u8(REFUSAL_CODES.indexOf(message.code)).text(message.reason);
    return encodeFrame(TAG.sessionRefused, writer.finish());
  }
  writer.u32(message.kind === 'greetingResponse' ? message.membership.generation : message.membershipGeneration);
  switch (message.kind) {
    case 'greetingResponse':
      writer.u64(message.safekeeperId).text(message.incarnation).u64(message.term);
      writeMembershipBody(writer, message.membership);
      break;
    case 'voteResponse':
      writer
        .u64(message.term)
        .u8(message.granted ? 1 : 0)
        .u64(message.flushLsn)
        .u64(message.truncateLsn);
      writeHistory(writer, message.termHistory);
      break;
    default:
      unreachable(message);
  }
  return encodeFrame(TAG[message.kind], writer.finish());
}

/** @throws VersionUnsupported, ByteReadError on anything that is not a proposer's message. */
export function decodeProposerMessage(frame: Frame): ProposerMessage {
  const reader = new ByteReader(frame.payload);
  const message = checked(() => readProposerMessage(frame.tag, reader));
  reader.end();
  return message;
}

/** @throws ByteReadError on anything that is not an acceptor's message. */
export function decodeAcceptorMessage(frame: Frame): AcceptorMessage {
  const reader = new ByteReader(frame.payload);
  const message = checked(() => readAcceptorMessage(frame.tag, reader));
  reader.end();
  return message;
}

function readProposerMessage(tag: number, reader: ByteReader): ProposerMessage {
  const membershipGeneration = reader.u32();
  switch (tag) {
    case TAG.greetingRequest:
      requireVersion(reader.u16());
      return {
        kind: 'greetingRequest',
        identity: readIdentity(reader),
        token: reader.text(),
        membership: readMembershipBody(reader, membershipGeneration),
        ...(reader.remaining === 0 ? {} : { traceparent: reader.text() }),
      };
    case TAG.voteRequest:
      return { kind: 'voteRequest', membershipGeneration, term: readTerm(reader) };
    case TAG.electedRequest:
      return {
        kind: 'electedRequest',
        membershipGeneration,
        term: readTerm(reader),
        startLsn: reader.lsn(),
        termHistory: readHistory(reader),
      };
    case TAG.appendRequest:
      return {
        kind: 'appendRequest',
        membershipGeneration,
        term: readTerm(reader),
        startLsn: reader.lsn(),
        commitLsn: reader.lsn(),
        truncateLsn: reader.lsn(),
        bytes: readAppendBytes(reader),
      };
    default:
      throw new ByteReadError(`unknown message tag 0x${tag.toString(16)}`);
  }
}

function readAcceptorMessage(tag: number, reader: ByteReader): AcceptorMessage {
  if (tag === TAG.sessionRefused) {
    const code = REFUSAL_CODES[reader.u8()];
    if (code === undefined) throw new ByteReadError('unknown refusal code');
    return { kind: 'sessionRefused', code, reason: reader.text() };
  }
  const membershipGeneration = reader.u32();
  switch (tag) {
    case TAG.greetingResponse:
      return {
        kind: 'greetingResponse',
        safekeeperId: SafekeeperId.of(reader.safeU64()),
        incarnation: reader.text(),
        term: readTerm(reader),
        membership: readMembershipBody(reader, membershipGeneration),
      };
    case TAG.voteResponse:
      return {
        kind: 'voteResponse',
        membershipGeneration,
        term: readTerm(reader),
        granted: reader.u8() === 1,
        flushLsn: reader.lsn(),
        truncateLsn: reader.lsn(),
        termHistory: readHistory(reader),
      };
    case TAG.appendResponse:
      return {
        kind: 'appendResponse',
        membershipGeneration,
        term: readTerm(reader),
        flushLsn: reader.lsn(),
        durableLsn: reader.lsn(),
        commitLsn: reader.lsn(),
        // Which of the two is there, the size tells.
        ...(reader.remaining % PAGESERVER_SIZE === 0 ? {} : { fullness: readPercent(reader) }),
        ...(reader.remaining === 0 ? {} : { pageserver: { receivedLsn: reader.lsn(), durableLsn: reader.lsn() } }),
      };
    default:
      throw new ByteReadError(`unknown message tag 0x${tag.toString(16)}`);
  }
}

/** The kernel's brands refuse with RangeError or SyntaxError; on a wire both mean a malformed message. */
function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) throw new ByteReadError(error.message);
    throw error;
  }
}

function requireVersion(version: number): void {
  if (version !== PROTOCOL_VERSION) throw new VersionUnsupported(version);
}

/** Far above any that was ever reached, and below what a number holds: there are terms above whatever one is told of. */
const TERM_TOLD_MAX = 2 ** 52;

function readTerm(reader: ByteReader): Term {
  const term = reader.safeU64();
  if (term > TERM_TOLD_MAX) throw new ByteReadError(`term ${term}`);
  return Term.of(term);
}

function readPercent(reader: ByteReader): number {
  const percent = reader.u8();
  if (percent > FULL) throw new ByteReadError(`${percent} percent`);
  return percent;
}

function readAppendBytes(reader: ByteReader): Uint8Array {
  if (reader.remaining > APPEND_SIZE_MAX) throw new ByteReadError(`append of ${reader.remaining} bytes`);
  return reader.rest();
}

const writeIdentity = (writer: ByteWriter, identity: TimelineIdentity): ByteWriter =>
  writer
    .bytes(TenantId.toBytes(identity.tenantId))
    .bytes(TimelineId.toBytes(identity.timelineId))
    .u16(identity.pgMajor)
    .u64(SystemId.toBigInt(identity.systemId))
    .u32(identity.walSegmentSize);

const readIdentity = (reader: ByteReader): TimelineIdentity => ({
  tenantId: TenantId.fromBytes(reader.bytes(16)),
  timelineId: TimelineId.fromBytes(reader.bytes(16)),
  pgMajor: reader.u16(),
  systemId: SystemId.fromBigInt(reader.u64()),
  walSegmentSize: reader.u32(),
});

const HISTORY_ENTRY_SIZE = 16;

function writeHistory(writer: ByteWriter, history: TermHistory): void {
  writer.u32(history.length);
  for (const { term, startLsn } of history) writer.u64(term).u64(startLsn);
}

function readHistory(reader: ByteReader): TermHistory {
  const count = reader.u32();
  if (count * HISTORY_ENTRY_SIZE > reader.remaining) throw new ByteReadError(`term history of ${count} entries`);
  return TermHistory.of(Array.from({ length: count }, () => ({ term: readTerm(reader), startLsn: reader.lsn() })));
}
