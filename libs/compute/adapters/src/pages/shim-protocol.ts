/**
 * What the page-fault shim and the agent say to each other over the compute's Unix socket: docs/protocols/page-shim.md.
 *
 * Little-endian and fixed in size, for the shim's sake: a request is REQUEST_SIZE bytes, an answer a header of
 * ANSWER_HEADER_SIZE bytes and then pages or text.
 *
 *   H1  However the stream is cut, `push` yields the same requests in order.
 *   H2  A request that is not exactly one of these throws `ByteReadError`; the connection that sent it is closed.
 */
import { ByteReadError } from '@neon/kernel';

export const REQUEST_SIZE = 28;
export const ANSWER_HEADER_SIZE = 12;
/** Blocks that one request may name (AGENT_BLOCKS_MAX in native/shim.h is below it): 1 MiB. */
export const SHIM_BLOCKS_MAX = 128;
/** Longest error text, in bytes; the shim keeps it on its stack. */
const TEXT_SIZE_MAX = 1000;

const OPERATIONS = { 1: 'read', 2: 'prefetch' } as const;

export interface ShimRequest {
  readonly operation: 'read' | 'prefetch';
  /** Repeated in the answer of a read. */
  readonly id: number;
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  readonly fork: number;
  /** Counted from the beginning of the fork, across its segment files. */
  readonly firstBlock: number;
  readonly blockCount: number;
}

export class ShimRequestDecoder {
  private rest: Buffer = Buffer.alloc(0);

  /** The requests that `chunk` completes. @throws ByteReadError */
  push(chunk: Buffer): ShimRequest[] {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const requests: ShimRequest[] = [];
    let at = 0;
    for (; bytes.length - at >= REQUEST_SIZE; at += REQUEST_SIZE) requests.push(decodeRequest(bytes, at));
    this.rest = bytes.subarray(at);
    return requests;
  }
}

function decodeRequest(bytes: Buffer, at: number): ShimRequest {
  const size = bytes.readUInt32LE(at);
  const code = bytes.readUInt8(at + 4);
  const blockCount = bytes.readUInt16LE(at + 6);
  if (size !== REQUEST_SIZE) throw new ByteReadError(`shim request of ${size} bytes, expected ${REQUEST_SIZE}`);
  if (code !== 1 && code !== 2) throw new ByteReadError(`shim request with operation ${code}`);
  if (blockCount === 0 || blockCount > SHIM_BLOCKS_MAX)
    throw new ByteReadError(`shim request for ${blockCount} blocks`);
  return {
    operation: OPERATIONS[code],
    fork: bytes.readUInt8(at + 5),
    blockCount,
    id: bytes.readUInt32LE(at + 8),
    tablespaceOid: bytes.readUInt32LE(at + 12),
    databaseOid: bytes.readUInt32LE(at + 16),
    relationNumber: bytes.readUInt32LE(at + 20),
    firstBlock: bytes.readUInt32LE(at + 24),
  };
}

export function encodeShimRequest(request: ShimRequest): Buffer {
  const bytes = Buffer.alloc(REQUEST_SIZE);
  bytes.writeUInt32LE(REQUEST_SIZE, 0);
  bytes.writeUInt8(request.operation === 'read' ? 1 : 2, 4);
  bytes.writeUInt8(request.fork, 5);
  bytes.writeUInt16LE(request.blockCount, 6);
  bytes.writeUInt32LE(request.id, 8);
  bytes.writeUInt32LE(request.tablespaceOid, 12);
  bytes.writeUInt32LE(request.databaseOid, 16);
  bytes.writeUInt32LE(request.relationNumber, 20);
  bytes.writeUInt32LE(request.firstBlock, 24);
  return bytes;
}

/** Before the pages of a read that succeeded. */
export const encodePagesHeader = (request: ShimRequest): Buffer => answerHeader(request.id, 0, request.blockCount);

/** Why a read failed: Postgres sees EIO, its log this text. */
export function encodeShimError(request: ShimRequest, message: string): Buffer {
  const text = Buffer.from(message).subarray(0, TEXT_SIZE_MAX);
  return Buffer.concat([answerHeader(request.id, 1, text.length), text]);
}

function answerHeader(id: number, status: number, count: number): Buffer {
  const bytes = Buffer.alloc(ANSWER_HEADER_SIZE);
  bytes.writeUInt32LE(id, 0);
  bytes.writeUInt32LE(status, 4);
  bytes.writeUInt32LE(count, 8);
  return bytes;
}
