/**
 * The page service: how a compute's agent reads pages and basebackups of one timeline over one TCP connection.
 *
 *   S1  The first frame of a connection is `hello`; it names version, tenant, timeline and a token. `welcome` or `error` answers it.
 *   S2  Requests are pipelined: any number may be in flight up to REQUESTS_IN_FLIGHT_MAX; answers carry the request id and
 *       may come in any order. Every request is answered exactly once (`pages`, `basebackup` chunks up to the last, or `error`).
 *   S3  A read names an LSN. The pageserver waits, bounded, until it has ingested that LSN.
 *
 * Frames are the kernel's (`u32 length | u8 tag | payload`), integers big-endian. See docs/protocols/page-service.md.
 */
import {
  ByteReader,
  ByteWriter,
  FRAME_HEADER_SIZE,
  type Lsn,
  type TenantId,
  TimelineId,
  TenantId as Tenant,
  encodeFrame,
  type Frame,
} from '@neon/kernel';

export const PAGE_SERVICE_VERSION = 1;
export const PAGE_SIZE = 8192;
/** Blocks that one `getPages` may name: 2 MiB of answer. */
export const BLOCKS_PER_REQUEST_MAX = 256;
export const REQUESTS_IN_FLIGHT_MAX = 1024;
/** Largest frame either side accepts, in bytes (tag + payload). */
export const PAGE_FRAME_SIZE_MAX = BLOCKS_PER_REQUEST_MAX * PAGE_SIZE + 4096;
/** Bytes of a basebackup in one frame. */
export const BASEBACKUP_CHUNK_SIZE = 256 * 1024;

export interface Hello {
  readonly type: 'hello';
  readonly version: number;
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
  readonly token: string;
  /** W3C trace context of whoever connects: the connection's basebackups belong to that trace. */
  readonly traceparent?: string;
}

/** The pages `blocks` of one relation fork at `lsn`, answered in the order asked. */
export interface GetPages {
  readonly type: 'getPages';
  readonly requestId: number;
  readonly lsn: Lsn;
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  readonly fork: number;
  readonly blocks: readonly number[];
}

/** The tarball a compute starts from at `lsn`, which must be a record boundary. */
export interface GetBasebackup {
  readonly type: 'getBasebackup';
  readonly requestId: number;
  readonly lsn: Lsn;
  /** The caller is about to write at `lsn`: it must be the timeline's end. `HistoryDiverged` when there is more. */
  readonly head: boolean;
}

export type PageRequest = Hello | GetPages | GetBasebackup;

export interface Welcome {
  readonly type: 'welcome';
  readonly version: number;
}

export interface Pages {
  readonly type: 'pages';
  readonly requestId: number;
  readonly count: number;
  /** `count` pages of PAGE_SIZE bytes, one after the other. */
  readonly bytes: Uint8Array;
}

export interface BasebackupChunk {
  readonly type: 'basebackupChunk';
  readonly requestId: number;
  readonly last: boolean;
  readonly bytes: Uint8Array;
}

/** `requestId` 0: the connection itself is refused and closes. */
export interface PageError {
  readonly type: 'error';
  readonly requestId: number;
  readonly code: PageErrorCode;
  readonly message: string;
}

export type PageAnswer = Welcome | Pages | BasebackupChunk | PageError;

export const PAGE_ERROR_CODES = [
  'Unauthorized',
  'UnknownTimeline',
  'ProtocolViolation',
  /** The LSN was not ingested within the wait limit: retry. */
  'LsnNotReached',
  /** Ingest stopped on a record that cannot be applied; the message names record and LSN. */
  'TimelineStopped',
  'UnknownRelation',
  'BlockOutOfRange',
  'Corrupt',
  'Overloaded',
  'Internal',
  /** What is to be the end of the timeline is not: WAL beyond it was ingested. Never start there. */
  'HistoryDiverged',
  /** A compute cannot start at that LSN. */
  'NotARecordBoundary',
] as const;
export type PageErrorCode = (typeof PAGE_ERROR_CODES)[number];

/** u32 request id, u16 count, before the pages. */
const PAGES_HEADER_SIZE = 6;

const TAG = {
  hello: 1,
  getPages: 2,
  getBasebackup: 3,
  welcome: 65,
  pages: 66,
  basebackupChunk: 67,
  error: 68,
} as const;

export function encodePageRequest(request: PageRequest): Uint8Array {
  const out = new ByteWriter();
  switch (request.type) {
    case 'hello':
      out
        .u16(request.version)
        .bytes(Tenant.toBytes(request.tenantId))
        .bytes(TimelineId.toBytes(request.timelineId))
        .text(request.token);
      if (request.traceparent !== undefined) out.text(request.traceparent);
      break;
    case 'getPages':
      out
        .u32(request.requestId)
        .u64(request.lsn)
        .u32(request.tablespaceOid)
        .u32(request.databaseOid)
        .u32(request.relationNumber);
      out.u8(request.fork).u16(request.blocks.length);
      for (const block of request.blocks) out.u32(block);
      break;
    case 'getBasebackup':
      out
        .u32(request.requestId)
        .u64(request.lsn)
        .u8(request.head ? 1 : 0);
      break;
  }
  return encodeFrame(TAG[request.type], out.finish());
}

/** @throws ByteReadError or RangeError on anything but a well-formed request. */
export function decodePageRequest(frame: Frame): PageRequest {
  const source = new ByteReader(frame.payload);
  const request = ((): PageRequest => {
    switch (frame.tag) {
      case TAG.hello: {
        const version = source.u16();
        const tenantId = Tenant.fromBytes(source.bytes(16));
        const timelineId = TimelineId.fromBytes(source.bytes(16));
        const hello = { type: 'hello' as const, version, tenantId, timelineId, token: source.text() };
        return source.remaining === 0 ? hello : { ...hello, traceparent: source.text() };
      }
      case TAG.getPages: {
        const head = {
          requestId: source.u32(),
          lsn: source.lsn(),
          tablespaceOid: source.u32(),
          databaseOid: source.u32(),
        };
        const relationNumber = source.u32();
        const fork = source.u8();
        const count = source.u16();
        if (count === 0 || count > BLOCKS_PER_REQUEST_MAX)
          throw new RangeError(`getPages names ${count} blocks, limit ${BLOCKS_PER_REQUEST_MAX}`);
        const blocks = Array.from({ length: count }, () => source.u32());
        return { type: 'getPages', ...head, relationNumber, fork, blocks };
      }
      case TAG.getBasebackup:
        return { type: 'getBasebackup', requestId: source.u32(), lsn: source.lsn(), head: flag(source.u8()) };
      default:
        throw new RangeError(`unknown request tag ${frame.tag}`);
    }
  })();
  source.end();
  return request;
}

function flag(byte: number): boolean {
  if (byte > 1) throw new RangeError(`flag of value ${byte}`);
  return byte === 1;
}

export function encodePageAnswer(answer: PageAnswer): Uint8Array {
  const out = new ByteWriter(
    answer.type === 'pages' || answer.type === 'basebackupChunk' ? answer.bytes.length + 16 : 64,
  );
  switch (answer.type) {
    case 'welcome':
      out.u16(answer.version);
      break;
    case 'pages':
      out.u32(answer.requestId).u16(answer.count).bytes(answer.bytes);
      break;
    case 'basebackupChunk':
      out
        .u32(answer.requestId)
        .u8(answer.last ? 1 : 0)
        .bytes(answer.bytes);
      break;
    case 'error':
      out.u32(answer.requestId).u8(PAGE_ERROR_CODES.indexOf(answer.code)).text(answer.message);
      break;
  }
  return encodeFrame(TAG[answer.type], out.finish());
}

/** @throws ByteReadError or RangeError on anything but a well-formed answer. */
export function decodePageAnswer(frame: Frame): PageAnswer {
  const source = new ByteReader(frame.payload);
  switch (frame.tag) {
    case TAG.welcome:
      return { type: 'welcome', version: source.u16() };
    case TAG.pages: {
      const requestId = source.u32();
      const count = source.u16();
      const bytes = source.bytes(count * PAGE_SIZE);
      source.end();
      return { type: 'pages', requestId, count, bytes };
    }
    case TAG.basebackupChunk:
      return { type: 'basebackupChunk', requestId: source.u32(), last: source.u8() === 1, bytes: source.rest() };
    case TAG.error: {
      const requestId = source.u32();
      const code = PAGE_ERROR_CODES[source.u8()] ?? 'Internal';
      return { type: 'error', requestId, code, message: source.text() };
    }
    default:
      throw new RangeError(`unknown answer tag ${frame.tag}`);
  }
}

/** The frame of a `pages` answer, written in one piece: each page is copied once. */
export function encodePagesFrame(requestId: number, pages: readonly Uint8Array[]): Uint8Array {
  const payloadSize = PAGES_HEADER_SIZE + pages.length * PAGE_SIZE;
  const frame = new Uint8Array(FRAME_HEADER_SIZE + payloadSize);
  const view = new DataView(frame.buffer);
  view.setUint32(0, payloadSize + 1);
  view.setUint8(4, TAG.pages);
  view.setUint32(FRAME_HEADER_SIZE, requestId);
  view.setUint16(FRAME_HEADER_SIZE + 4, pages.length);
  let at = FRAME_HEADER_SIZE + PAGES_HEADER_SIZE;
  for (const page of pages) {
    frame.set(page, at);
    at += PAGE_SIZE;
  }
  return frame;
}
