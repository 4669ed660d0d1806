/**
 * What several heap records do to a tuple or a page, in one place each.
 */
import { Corrupt } from '@neon/kernel';
import { reserveHeapTuple } from '../page/bufpage';
import {
  HEAP_TUPLE_HEADER_SIZE,
  Infomask,
  Infomask2,
  XMAX_BITS,
  setTupleCid,
  setTupleHeaderLength,
  setTupleInfomask,
  setTupleInfomask2,
  setTupleXmax,
  setTupleXmin,
  tupleCtidAt,
  tupleInfomask,
  tupleInfomask2,
} from '../page/heap-tuple';
import { writeItemPointer } from '../page/item-pointer';
import { ItemState, itemLength, itemOffset, itemState, storedItem } from '../page/line-pointer';
import { readU16 } from '../page/little-endian';
import { pagePruneXid, setPageLsn, setPagePruneXid } from '../page/page-header';
import { VISIBILITY_BITS, clearVisibilityBits, visibilityMapBlock } from '../page/visibility-map';
import type { BlockRedoContext } from './block-redo';

/** The operation of a Heap or Heap2 record, in three of the four bits that its rmgr has. */
export const HEAP_OPERATION_MASK = 0x70;
/** The fourth bit: the page is built from nothing. */
export const HEAP_INIT_PAGE = 0x80;
/** xl_heap_header: t_infomask2, t_infomask, t_hoff. */
export const STORED_HEADER_SIZE = 5;

/** infobits_set of heap records (access/heapam_xlog.h): infomask bits, compressed into a byte. */
const InfoBit = { IS_MULTI: 1, LOCK_ONLY: 2, EXCL_LOCK: 4, KEYSHR_LOCK: 8, KEYS_UPDATED: 16 } as const;

/** The line pointer of a tuple that the record changes. @throws Corrupt when it does not point to one. */
export function normalItem(page: Uint8Array, offsetNumber: number): number {
  const pointer = storedItem(page, offsetNumber);
  if (itemState(pointer) !== ItemState.NORMAL) throw new Corrupt(`line pointer ${offsetNumber} is not normal`);
  if (itemLength(pointer) < HEAP_TUPLE_HEADER_SIZE)
    throw new Corrupt(`tuple ${offsetNumber} is shorter than its header`);
  return pointer;
}

/** Where the tuple at a line pointer begins. */
export const tupleAt = (page: Uint8Array, offsetNumber: number): number => itemOffset(normalItem(page, offsetNumber));

/** Forgets a tuple's xmax status and sets what the record says of its xmax. */
export function setXmaxStatus(page: Uint8Array, tuple: number, infobits: number): void {
  let infomask = tupleInfomask(page, tuple) & ~(XMAX_BITS | Infomask.MOVED);
  if (infobits & InfoBit.IS_MULTI) infomask |= Infomask.XMAX_IS_MULTI;
  if (infobits & InfoBit.LOCK_ONLY) infomask |= Infomask.XMAX_LOCK_ONLY;
  if (infobits & InfoBit.EXCL_LOCK) infomask |= Infomask.XMAX_EXCL_LOCK;
  if (infobits & InfoBit.KEYSHR_LOCK) infomask |= Infomask.XMAX_KEYSHR_LOCK;
  setTupleInfomask(page, tuple, infomask);
  const infomask2 = tupleInfomask2(page, tuple) & ~Infomask2.KEYS_UPDATED;
  setTupleInfomask2(page, tuple, infobits & InfoBit.KEYS_UPDATED ? infomask2 | Infomask2.KEYS_UPDATED : infomask2);
}

/** HeapTupleHeaderSetCmax(FirstCommandId), which is no combo command id. */
export function setFirstCommandId(page: Uint8Array, tuple: number): void {
  setTupleCid(page, tuple, 0);
  setTupleInfomask(page, tuple, tupleInfomask(page, tuple) & ~Infomask.COMBOCID);
}

export function setHotUpdated(page: Uint8Array, tuple: number, hotUpdated: boolean): void {
  const infomask2 = tupleInfomask2(page, tuple) & ~Infomask2.HOT_UPDATED;
  setTupleInfomask2(page, tuple, hotUpdated ? infomask2 | Infomask2.HOT_UPDATED : infomask2);
}

/** PageSetPrunable: remembers the oldest xid that left something to prune. */
export function setPrunable(page: Uint8Array, xid: number): void {
  const current = pagePruneXid(page);
  if (current === 0 || xidPrecedes(xid, current)) setPagePruneXid(page, xid);
}

/** TransactionIdPrecedes: xids above the special ones are compared on a circle. */
function xidPrecedes(left: number, right: number): boolean {
  const firstNormal = 3;
  if (left < firstNormal || right < firstNormal) return left < right;
  return ((left - right) | 0) < 0;
}

/** A tuple as WAL keeps it: what follows from the record is left out of its header. */
export interface StoredTuple {
  /** Where t_infomask2, t_infomask and t_hoff are in the record, five bytes. */
  readonly headerAt: number;
  readonly offsetNumber: number;
  /** Bytes after the fixed header, which the caller puts where `placeTuple` says. */
  readonly bodyLength: number;
}

/**
 * Puts a tuple on the page as an insertion creates it: header from the record, cmin 0, xmax 0. It is written where it
 * stays, for tuples are most of what WAL brings. Returns where its body goes.
 */
export function placeTuple({ record, block }: BlockRedoContext, page: Uint8Array, stored: StoredTuple): number {
  const { bytes } = record;
  const { headerAt, offsetNumber } = stored;
  const tuple = reserveHeapTuple(page, HEAP_TUPLE_HEADER_SIZE + stored.bodyLength, stored);
  setTupleXmin(page, tuple, record.xid);
  setTupleXmax(page, tuple, 0);
  setTupleCid(page, tuple, 0);
  writeItemPointer(page, tupleCtidAt(tuple), { block: block.block, offsetNumber });
  setTupleInfomask2(page, tuple, readU16(bytes, headerAt));
  setTupleInfomask(page, tuple, readU16(bytes, headerAt + 2) & ~Infomask.COMBOCID);
  setTupleHeaderLength(page, tuple, bytes[headerAt + 4] as number);
  return tuple + HEAP_TUPLE_HEADER_SIZE;
}

/**
 * Clears the bits of heap blocks on a visibility map page that the record names. Blocks of another map page are none of
 * its business. The map's LSN follows only when a bit was really set.
 */
export function clearVisibility(
  { block: mapBlock, endLsn }: BlockRedoContext,
  map: Uint8Array,
  { heapBlocks, bits = VISIBILITY_BITS }: { heapBlocks: readonly number[]; bits?: number },
): void {
  for (const heapBlock of heapBlocks)
    if (visibilityMapBlock(heapBlock) === mapBlock.block && clearVisibilityBits(map, heapBlock, bits))
      setPageLsn(map, endLsn);
}
