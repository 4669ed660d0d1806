/**
 * The header of a heap tuple (access/htup_details.h), read and written in place; `at` is where the tuple begins.
 *
 *     0 t_xmin  4 t_xmax  8 t_cid or t_xvac  12 t_ctid  18 t_infomask2  20 t_infomask  22 t_hoff  23 nulls, data
 */
import { SPECULATIVE_OFFSET_NUMBER, pointerOffsetNumber } from './item-pointer';
import { readU16, writeU16, writeU32 } from './little-endian';

/** SizeofHeapTupleHeader. */
export const HEAP_TUPLE_HEADER_SIZE = 23;

const AT = { xmin: 0, xmax: 4, cid: 8, ctid: 12, infomask2: 18, infomask: 20, hoff: 22 } as const;

/** t_infomask. */
export const Infomask = {
  XMAX_KEYSHR_LOCK: 0x0010,
  COMBOCID: 0x0020,
  XMAX_EXCL_LOCK: 0x0040,
  XMAX_LOCK_ONLY: 0x0080,
  XMIN_FROZEN: 0x0300,
  XMAX_COMMITTED: 0x0400,
  XMAX_INVALID: 0x0800,
  XMAX_IS_MULTI: 0x1000,
  MOVED: 0xc000,
  /** All that says something of a transaction's outcome or of visibility (HEAP_XACT_MASK). */
  TRANSACTION: 0xfff0,
} as const;

const LOCKS = Infomask.XMAX_EXCL_LOCK | Infomask.XMAX_KEYSHR_LOCK;
/** HEAP_XMAX_BITS. */
export const XMAX_BITS =
  Infomask.XMAX_COMMITTED | Infomask.XMAX_INVALID | Infomask.XMAX_IS_MULTI | LOCKS | Infomask.XMAX_LOCK_ONLY;

/** t_infomask2. */
export const Infomask2 = { KEYS_UPDATED: 0x2000, HOT_UPDATED: 0x4000 } as const;

/** HEAP_XMAX_IS_LOCKED_ONLY. */
export const isLockedOnly = (infomask: number): boolean =>
  (infomask & Infomask.XMAX_LOCK_ONLY) !== 0 ||
  (infomask & (Infomask.XMAX_IS_MULTI | LOCKS)) === Infomask.XMAX_EXCL_LOCK;

export const isXminFrozen = (infomask: number): boolean => (infomask & Infomask.XMIN_FROZEN) === Infomask.XMIN_FROZEN;

export const tupleInfomask = (bytes: Uint8Array, at: number): number => readU16(bytes, at + AT.infomask);
export const tupleInfomask2 = (bytes: Uint8Array, at: number): number => readU16(bytes, at + AT.infomask2);
export const setTupleInfomask = (bytes: Uint8Array, at: number, value: number): void =>
  writeU16(bytes, at + AT.infomask, value);
export const setTupleInfomask2 = (bytes: Uint8Array, at: number, value: number): void =>
  writeU16(bytes, at + AT.infomask2, value);

/** t_hoff: where the attributes begin, from the tuple's beginning. */
export const tupleHeaderLength = (bytes: Uint8Array, at: number): number => bytes[at + AT.hoff] as number;
export function setTupleHeaderLength(bytes: Uint8Array, at: number, value: number): void {
  bytes[at + AT.hoff] = value;
}

export const setTupleXmin = (bytes: Uint8Array, at: number, xid: number): void => writeU32(bytes, at + AT.xmin, xid);
export const setTupleXmax = (bytes: Uint8Array, at: number, xid: number): void => writeU32(bytes, at + AT.xmax, xid);
/** The field is the command id, or the xid of a VACUUM FULL of Postgres before 9.0. */
export const setTupleCid = (bytes: Uint8Array, at: number, value: number): void => writeU32(bytes, at + AT.cid, value);

/** Where t_ctid is. */
export const tupleCtidAt = (at: number): number => at + AT.ctid;

export const isTupleSpeculative = (bytes: Uint8Array, at: number): boolean =>
  pointerOffsetNumber(bytes, at + AT.ctid) === SPECULATIVE_OFFSET_NUMBER;
