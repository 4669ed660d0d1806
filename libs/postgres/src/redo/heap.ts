/**
 * Redo of Heap records: a tuple inserted, deleted, locked, confirmed or overwritten in place (heap_redo of heapam.c);
 * updates are in `heap-update`.
 *
 * Postgres 17.11 and 18.6 began to name the visibility map page whose bits a record clears as a block of its own; before,
 * the map page changes without being named, which is no block's redo and not here.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { copyPiece } from '../page/bufpage';
import {
  isLockedOnly,
  setTupleXmax,
  setTupleXmin,
  tupleCtidAt,
  tupleHeaderLength,
  tupleInfomask,
} from '../page/heap-tuple';
import { MOVED_PARTITIONS_OFFSET_NUMBER, writeItemPointer } from '../page/item-pointer';
import { itemLength, itemOffset } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { INVALID_BLOCK, PageFlag, clearPageFlags, initPage, setPageFlags, setPageLsn } from '../page/page-header';
import { VisibilityBit } from '../page/visibility-map';
import { Fork } from '../wal/record';
import { UnsupportedRecord } from './change';
import {
  HEAP_INIT_PAGE,
  HEAP_OPERATION_MASK,
  STORED_HEADER_SIZE,
  clearVisibility,
  normalItem,
  placeTuple,
  setFirstCommandId,
  setHotUpdated,
  setPrunable,
  setXmaxStatus,
  tupleAt,
} from './heap-tuple-redo';
import { redoUpdate } from './heap-update';
import { blockData, blockDataPiece, mainData, requireBlock } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = {
  INSERT: 0x00,
  DELETE: 0x10,
  UPDATE: 0x20,
  TRUNCATE: 0x30,
  HOT_UPDATE: 0x40,
  CONFIRM: 0x50,
  LOCK: 0x60,
  INPLACE: 0x70,
} as const;

export const InsertFlag = { ALL_VISIBLE_CLEARED: 0x01, ALL_FROZEN_SET: 0x20 } as const;
const DeleteFlag = { ALL_VISIBLE_CLEARED: 0x01, IS_SUPER: 0x08, IS_PARTITION_MOVE: 0x10 } as const;
const LOCK_ALL_FROZEN_CLEARED = 0x01;

export const heapRedo: BlockRedo = (context, page) => {
  const { record } = context;
  switch (record.info & HEAP_OPERATION_MASK) {
    case Operation.INSERT:
      return redoInsert(context, page);
    case Operation.DELETE:
      return redoDelete(context, page);
    case Operation.UPDATE:
      return redoUpdate(context, page, false);
    case Operation.HOT_UPDATE:
      return redoUpdate(context, page, true);
    case Operation.CONFIRM:
      return redoConfirm(context, page);
    case Operation.LOCK:
      return redoLock(context, page);
    case Operation.INPLACE:
      return redoInplace(context, page);
    default:
      // TRUNCATE is for logical decoding alone and names no blocks.
      throw new UnsupportedRecord(`Heap/${record.info.toString(16)}`, record.lsn, 'no block redo for this Heap record');
  }
};

/** xl_heap_insert: offnum, flags. */
function redoInsert(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const { bytes } = record;
  const main = mainData(record, 3);
  const offsetNumber = readU16(bytes, main);
  const flags = bytes[main + 2] as number;
  if (block.fork === Fork.VISIBILITY_MAP)
    return clearVisibility(context, page, { heapBlocks: [requireBlock(record, 0).block] });

  if (record.info & HEAP_INIT_PAGE) initPage(page);
  const data = blockData(record, block, STORED_HEADER_SIZE);
  const bodyLength = block.dataLength - STORED_HEADER_SIZE;
  const bodyAt = placeTuple(context, page, { headerAt: data, offsetNumber, bodyLength });
  copyPiece(page, bodyAt, { bytes, offset: data + STORED_HEADER_SIZE, length: bodyLength });
  setPageLsn(page, endLsn);
  setAllVisibleAfterInsert(page, flags);
}

export function setAllVisibleAfterInsert(page: Uint8Array, flags: number): void {
  if (flags & InsertFlag.ALL_VISIBLE_CLEARED) clearPageFlags(page, PageFlag.ALL_VISIBLE);
  if (flags & InsertFlag.ALL_FROZEN_SET) setPageFlags(page, PageFlag.ALL_VISIBLE);
}

/** xl_heap_delete: xmax, offnum, infobits_set, flags. */
function redoDelete(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const { bytes } = record;
  const main = mainData(record, 8);
  if (block.fork === Fork.VISIBILITY_MAP)
    return clearVisibility(context, page, { heapBlocks: [requireBlock(record, 0).block] });

  const offsetNumber = readU16(bytes, main + 4);
  const flags = bytes[main + 7] as number;
  const tuple = tupleAt(page, offsetNumber);
  setXmaxStatus(page, tuple, bytes[main + 6] as number);
  setHotUpdated(page, tuple, false);
  if (flags & DeleteFlag.IS_SUPER) setTupleXmin(page, tuple, 0);
  else setTupleXmax(page, tuple, readU32(bytes, main));
  setFirstCommandId(page, tuple);
  setPrunable(page, record.xid);
  if (flags & DeleteFlag.ALL_VISIBLE_CLEARED) clearPageFlags(page, PageFlag.ALL_VISIBLE);
  const movedAway = { block: INVALID_BLOCK, offsetNumber: MOVED_PARTITIONS_OFFSET_NUMBER };
  writeItemPointer(
    page,
    tupleCtidAt(tuple),
    flags & DeleteFlag.IS_PARTITION_MOVE ? movedAway : { block: block.block, offsetNumber },
  );
  setPageLsn(page, endLsn);
}

/** xl_heap_confirm: offnum. A speculative tuple's ctid stops being a token. */
function redoConfirm({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const offsetNumber = readU16(record.bytes, mainData(record, 2));
  writeItemPointer(page, tupleCtidAt(tupleAt(page, offsetNumber)), { block: block.block, offsetNumber });
  setPageLsn(page, endLsn);
}

/** xl_heap_lock: xmax, offnum, infobits_set, flags. */
function redoLock(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const { bytes } = record;
  const main = mainData(record, 8);
  if (block.fork === Fork.VISIBILITY_MAP) return clearFrozen(context, page);

  const offsetNumber = readU16(bytes, main + 4);
  const tuple = tupleAt(page, offsetNumber);
  setXmaxStatus(page, tuple, bytes[main + 6] as number);
  if (isLockedOnly(tupleInfomask(page, tuple))) {
    setHotUpdated(page, tuple, false);
    writeItemPointer(page, tupleCtidAt(tuple), { block: block.block, offsetNumber });
  }
  setTupleXmax(page, tuple, readU32(bytes, main));
  setFirstCommandId(page, tuple);
  setPageLsn(page, endLsn);
}

/** A lock leaves a block all-visible but not all-frozen. The record's flags are at the same place in both lock records. */
export function clearFrozen(context: BlockRedoContext, map: Uint8Array): void {
  const { record } = context;
  const flags = record.bytes[record.mainOffset + 7] as number;
  if (flags & LOCK_ALL_FROZEN_CLEARED)
    clearVisibility(context, map, { heapBlocks: [requireBlock(record, 0).block], bits: VisibilityBit.ALL_FROZEN });
}

/** xl_heap_inplace: offnum, and in 18 the invalidations that go with it. The block's data replaces the attributes. */
function redoInplace({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const offsetNumber = readU16(record.bytes, mainData(record, 2));
  const pointer = normalItem(page, offsetNumber);
  const tuple = itemOffset(pointer);
  const headerLength = tupleHeaderLength(page, tuple);
  if (itemLength(pointer) - headerLength !== block.dataLength)
    throw new Corrupt(`in-place update at ${Lsn.format(record.lsn)} changes the tuple's length`);
  copyPiece(page, tuple + headerLength, blockDataPiece(record, block));
  setPageLsn(page, endLsn);
}
