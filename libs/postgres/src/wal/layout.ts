/**
 * Sizes and positions of WAL as Postgres writes it (access/xlog_internal.h, access/xlogrecord.h), little-endian.
 *
 * WAL is a stream of 8 KiB pages, each with a header of 24 bytes, the first of a segment with one of 40. Records begin at
 * multiples of 8 and run on across pages; the header of a page on which one goes on says how much of it is left.
 *
 *   page:   u16 magic | u16 info | u32 timeline | u64 page LSN | u32 left of the record | pad to 24
 *   long:   … | u64 system id | u32 segment size | u32 page size
 *   record: u32 size | u32 xid | u64 previous LSN | u8 info | u8 rmgr | pad 2 | u32 CRC-32C | headers | data
 */
import { readU32, writeU32 } from '../page/little-endian';

export const WAL_PAGE_SIZE = 8192;
export const SHORT_PAGE_HEADER_SIZE = 24;
export const LONG_PAGE_HEADER_SIZE = 40;
export const DEFAULT_WAL_SEGMENT_SIZE = 16 * 1024 * 1024;

export const RECORD_HEADER_SIZE = 24;
/** MaxAllocSize: Postgres reads nothing larger, and since 16 writes nothing beyond 1020 MiB. */
export const RECORD_SIZE_MAX = 0x3fff_ffff;

/** xlp_info. */
export const PageInfo = { FIRST_IS_CONTINUATION: 1, LONG_HEADER: 2, REMOVABLE: 4, FIRST_IS_OVERWRITE: 8, ALL: 15 };

export const PageHeaderAt = {
  magic: 0,
  info: 2,
  timelineId: 4,
  lsn: 8,
  remaining: 16,
  systemId: 24,
  segmentSize: 32,
  pageSize: 36,
} as const;

export const RecordAt = { size: 0, xid: 4, prevLsn: 8, info: 16, rmid: 17, crc: 20 } as const;

/** Ids of the parts after the record header: block references up to 32, then these. */
export const PartId = { BLOCK_MAX: 32, TOP_LEVEL_XID: 252, ORIGIN: 253, DATA_LONG: 254, DATA_SHORT: 255 } as const;

/** fork_flags of a block header: the fork in the low four bits. */
export const BlockFlag = { FORK_MASK: 0x0f, HAS_IMAGE: 0x10, HAS_DATA: 0x20, WILL_INIT: 0x40, SAME_RELATION: 0x80 };
export const IMAGE_HAS_HOLE = 0x01;

/** xl_info: the resource manager's own bits. */
export const RMGR_INFO_MASK = 0xf0;

const WORD = 0x1_0000_0000;

/** Rounds up to a multiple of 8, beyond 32 bits too. */
export const alignRecord = (position: number): number => Math.ceil(position / 8) * 8;

/** An unsigned 64-bit value; exact up to 2^53, and above it still above 2^53. */
export const readU64 = (bytes: Uint8Array, at: number): number => readU32(bytes, at) + readU32(bytes, at + 4) * WORD;

/** The same with a load for each four bytes instead of each one. */
export const viewU64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * WORD;

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value % WORD);
  writeU32(bytes, at + 4, Math.floor(value / WORD));
}

export const readI64 = (bytes: Uint8Array, at: number): number =>
  readU32(bytes, at) + (readU32(bytes, at + 4) | 0) * WORD;

export function writeI64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / WORD);
  writeU32(bytes, at, value - high * WORD);
  writeU32(bytes, at + 4, high);
}
