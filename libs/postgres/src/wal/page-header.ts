/** The header of a WAL page: written, and checked when read. */
import { Lsn, SystemId } from '@neon/kernel';
import { readU16, readU32, writeU16, writeU32 } from '../page/little-endian';
import { versionOf } from '../versions';
import {
  LONG_PAGE_HEADER_SIZE,
  PageHeaderAt,
  PageInfo,
  SHORT_PAGE_HEADER_SIZE,
  WAL_PAGE_SIZE,
  readU64,
  writeU64,
} from './layout';
import type { PostgresMajor } from './record';
import { WalError } from './wal-error';

export interface WalFormat {
  readonly major: PostgresMajor;
  readonly segmentSize: number;
  /** When given, long headers must carry it. */
  readonly systemId?: SystemId;
}

/** Size of the header of the page at `pageLsn`: long at the beginning of a segment. */
export const walPageHeaderSize = (pageLsn: number, segmentSize: number): number =>
  pageLsn % segmentSize === 0 ? LONG_PAGE_HEADER_SIZE : SHORT_PAGE_HEADER_SIZE;

export interface PageHeaderFields {
  readonly lsn: Lsn;
  readonly systemId: SystemId;
  readonly timelineId: number;
  /** Bytes left of a record that began on an earlier page, or 0. */
  readonly remaining: number;
}

export function encodePageHeader({ major, segmentSize }: WalFormat, fields: PageHeaderFields): Uint8Array {
  const header = new Uint8Array(walPageHeaderSize(fields.lsn, segmentSize));
  const long = header.length === LONG_PAGE_HEADER_SIZE;
  writeU16(header, PageHeaderAt.magic, versionOf(major).walMagic);
  writeU16(
    header,
    PageHeaderAt.info,
    (long ? PageInfo.LONG_HEADER : 0) | (fields.remaining > 0 ? PageInfo.FIRST_IS_CONTINUATION : 0),
  );
  writeU32(header, PageHeaderAt.timelineId, fields.timelineId);
  writeU64(header, PageHeaderAt.lsn, fields.lsn);
  writeU32(header, PageHeaderAt.remaining, fields.remaining);
  if (!long) return header;
  new DataView(header.buffer).setBigUint64(PageHeaderAt.systemId, SystemId.toBigInt(fields.systemId), true);
  writeU32(header, PageHeaderAt.segmentSize, segmentSize);
  writeU32(header, PageHeaderAt.pageSize, WAL_PAGE_SIZE);
  return header;
}

/** @throws WalError unless `header` (24 bytes, 40 when long) is that of the page at `lsn`. */
export function checkPageHeader(header: Uint8Array, lsn: Lsn, { major, segmentSize, systemId }: WalFormat): void {
  const fail = (what: string): never => {
    throw new WalError('page-header', lsn, what);
  };
  const magic = readU16(header, PageHeaderAt.magic);
  if (magic !== versionOf(major).walMagic) fail(`page magic ${magic.toString(16)} is not that of Postgres ${major}`);
  const info = readU16(header, PageHeaderAt.info);
  if ((info & ~PageInfo.ALL) !== 0) fail(`unknown page flags ${info.toString(16)}`);
  const pageLsn = readU64(header, PageHeaderAt.lsn);
  if (pageLsn !== lsn) fail(`page says it is at ${pageLsn.toString(16)}`);
  if (readU32(header, PageHeaderAt.timelineId) === 0) fail('page of timeline 0');
  if ((info & PageInfo.LONG_HEADER) === 0) {
    if (lsn % segmentSize === 0) fail('segment begins without a long header');
    return;
  }
  const size = readU32(header, PageHeaderAt.segmentSize);
  if (size !== segmentSize) fail(`page of segments of ${size} bytes, not ${segmentSize}`);
  const pageSize = readU32(header, PageHeaderAt.pageSize);
  if (pageSize !== WAL_PAGE_SIZE) fail(`WAL pages of ${pageSize} bytes`);
  if (systemId !== undefined && readSystemId(header) !== systemId)
    fail(`WAL of system ${readSystemId(header)}, not ${systemId}`);
}

const readSystemId = (header: Uint8Array): SystemId =>
  SystemId.fromBigInt(new DataView(header.buffer, header.byteOffset).getBigUint64(PageHeaderAt.systemId, true));

export const pageHeaderIsLong = (header: Uint8Array): boolean =>
  (readU16(header, PageHeaderAt.info) & PageInfo.LONG_HEADER) !== 0;
