/**
 * Redo of Heap2 records: pruning and freezing, visibility, several tuples at once, locks along update chains
 * (heap2_redo of heapam.c). NEW_CID and REWRITE serve logical decoding and change no page.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { setTupleXmax } from '../page/heap-tuple';
import { readU16, readU32, shortAlign } from '../page/little-endian';
import { PAGE_SIZE, PageFlag, initPage, pageIsNew, setPageFlags, setPageLsn } from '../page/page-header';
import { VISIBILITY_BITS, setVisibilityBits, visibilityBits } from '../page/visibility-map';
import { versionOf } from '../versions';
import { Fork } from '../wal/record';
import { UnsupportedRecord } from './change';
import { clearFrozen, setAllVisibleAfterInsert } from './heap';
import { redoPruneFreeze, redoPruneBefore17, redoVacuumBefore17, redoFreezeBefore17 } from './heap-prune';
import {
  HEAP_INIT_PAGE,
  HEAP_OPERATION_MASK,
  clearVisibility,
  placeTuple,
  setXmaxStatus,
  tupleAt,
} from './heap-tuple-redo';
import { mainData, requireBlock } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = {
  PRUNE_ON_ACCESS: 0x10,
  PRUNE_VACUUM_SCAN: 0x20,
  PRUNE_VACUUM_CLEANUP: 0x30,
  VISIBLE: 0x40,
  MULTI_INSERT: 0x50,
  LOCK_UPDATED: 0x60,
} as const;

export const heap2Redo: BlockRedo = (context, page) => {
  const { record } = context;
  const { heapPruneIsUnified } = versionOf(record.major);
  switch (record.info & HEAP_OPERATION_MASK) {
    case Operation.PRUNE_ON_ACCESS:
      return heapPruneIsUnified ? redoPruneFreeze(context, page) : redoPruneBefore17(context, page);
    case Operation.PRUNE_VACUUM_SCAN:
      return heapPruneIsUnified ? redoPruneFreeze(context, page) : redoVacuumBefore17(context, page);
    case Operation.PRUNE_VACUUM_CLEANUP:
      return heapPruneIsUnified ? redoPruneFreeze(context, page) : redoFreezeBefore17(context, page);
    case Operation.VISIBLE:
      return redoVisible(context, page);
    case Operation.MULTI_INSERT:
      return redoMultiInsert(context, page);
    case Operation.LOCK_UPDATED:
      return redoLockUpdated(context, page);
    default:
      throw new UnsupportedRecord(
        `Heap2/${record.info.toString(16)}`,
        record.lsn,
        'no block redo for this Heap2 record',
      );
  }
};

/**
 * xl_heap_visible: snapshot conflict horizon, flags. Block 0 is the visibility map, block 1 the heap. The heap page's LSN
 * follows when hint bits are WAL-logged, on a primary always, in recovery since 14.7 and 15.2 (commit d6a3dbe1).
 */
function redoVisible({ record, block, endLsn, walLogHints }: BlockRedoContext, page: Uint8Array): void {
  const bits = (record.bytes[mainData(record, 5) + 4] as number) & VISIBILITY_BITS;
  if (block.id === 1) {
    setPageFlags(page, PageFlag.ALL_VISIBLE);
    if (walLogHints) setPageLsn(page, endLsn);
    return;
  }
  if (pageIsNew(page)) initPage(page);
  const heapBlock = requireBlock(record, 1).block;
  if (visibilityBits(page, heapBlock) === bits) return;
  setVisibilityBits(page, heapBlock, bits);
  setPageLsn(page, endLsn);
}

const BLOCK_DATA_MAX = 0xffff;
/**
 * Where a page takes many tuples at once: it first, the block's data behind it. Within one array a piece moves without a view of
 * it, which would cost more than its bytes.
 */
const staging = new Uint8Array(PAGE_SIZE + BLOCK_DATA_MAX);
const stagedPage = staging.subarray(0, PAGE_SIZE);

/** xl_heap_multi_insert: flags, ntuples, and the offset numbers unless the page is new. */
function redoMultiInsert(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const main = mainData(record, 4);
  if (block.fork === Fork.VISIBILITY_MAP)
    return clearVisibility(context, page, { heapBlocks: [requireBlock(record, 0).block] });

  const tupleCount = readU16(record.bytes, main + 2);
  const isNew = (record.info & HEAP_INIT_PAGE) !== 0;
  if (isNew) {
    initPage(stagedPage);
  } else {
    mainData(record, 4 + tupleCount * 2);
    stagedPage.set(page);
  }
  staging.set(record.bytes.subarray(block.dataOffset, block.dataOffset + block.dataLength), PAGE_SIZE);
  const tuple = { headerAt: 0, offsetNumber: 0, bodyLength: 0 };
  let end = 0;
  for (let i = 0; i < tupleCount; i++) {
    const start = shortAlign(end);
    end = storedTupleEnd(context, start);
    tuple.headerAt = block.dataOffset + start + 2;
    tuple.offsetNumber = isNew ? i + 1 : readU16(record.bytes, main + 4 + i * 2);
    tuple.bodyLength = end - start - MULTI_INSERT_TUPLE_SIZE;
    const bodyAt = placeTuple(context, stagedPage, tuple);
    staging.copyWithin(bodyAt, PAGE_SIZE + end - tuple.bodyLength, PAGE_SIZE + end);
  }
  if (end !== block.dataLength) throw new Corrupt(`tuples of ${Lsn.format(record.lsn)} do not fill its data`);
  page.set(stagedPage);
  setPageLsn(page, endLsn);
  setAllVisibleAfterInsert(page, record.bytes[main] as number);
}

/** xl_multi_insert_tuple: datalen, t_infomask2, t_infomask, t_hoff, then the tuple's data. */
const MULTI_INSERT_TUPLE_SIZE = 7;

/** Where the tuple ends that begins at `start` of the block's data. */
function storedTupleEnd({ record, block }: BlockRedoContext, start: number): number {
  const bodyAt = start + MULTI_INSERT_TUPLE_SIZE;
  const end = bodyAt > block.dataLength ? Infinity : bodyAt + readU16(record.bytes, block.dataOffset + start);
  if (end > block.dataLength) throw new Corrupt(`a tuple of ${Lsn.format(record.lsn)} reaches beyond its data`);
  return end;
}

/** xl_heap_lock_updated: xmax, offnum, infobits_set, flags. */
function redoLockUpdated(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const main = mainData(record, 8);
  if (block.fork === Fork.VISIBILITY_MAP) return clearFrozen(context, page);
  const tuple = tupleAt(page, readU16(record.bytes, main + 4));
  setXmaxStatus(page, tuple, record.bytes[main + 6] as number);
  setTupleXmax(page, tuple, readU32(record.bytes, main));
  setPageLsn(page, endLsn);
}
