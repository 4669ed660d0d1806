/**
 * Redo of Heap/UPDATE and Heap/HOT_UPDATE (heap_xlog_update of heapam.c).
 *
 * Block 0 holds the tuple's successor; block 1 the tuple itself, unless both share block 0. Only then may the successor be
 * stored as its difference to the tuple: a common prefix and suffix of the attributes are taken from the old version.
 */
import { addHeapTuple, type Piece } from '../page/bufpage';
import { HEAP_TUPLE_HEADER_SIZE, setTupleXmax, tupleCtidAt, tupleHeaderLength } from '../page/heap-tuple';
import { writeItemPointer } from '../page/item-pointer';
import { itemLength, itemOffset } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { PageFlag, clearPageFlags, initPage, setPageLsn } from '../page/page-header';
import { Fork, type WalRecord } from '../wal/record';
import {
  buildTuple,
  clearVisibility,
  normalItem,
  setFirstCommandId,
  setHotUpdated,
  setPrunable,
  setXmaxStatus,
  tupleAt,
  HEAP_INIT_PAGE,
  STORED_HEADER_SIZE,
} from './heap-tuple-redo';
import { blockData, findBlock, mainData, requireBlock } from './record-data';
import type { BlockRedoContext } from './block-redo';

const UpdateFlag = {
  OLD_ALL_VISIBLE_CLEARED: 0x01,
  NEW_ALL_VISIBLE_CLEARED: 0x02,
  PREFIX_FROM_OLD: 0x20,
  SUFFIX_FROM_OLD: 0x40,
} as const;

/** xl_heap_update: old_xmax, old_offnum, old_infobits_set, flags, new_xmax, new_offnum. */
const UPDATE_SIZE = 14;

export function redoUpdate(context: BlockRedoContext, page: Uint8Array, hotUpdate: boolean): void {
  const { record, block } = context;
  mainData(record, UPDATE_SIZE);
  const newBlock = requireBlock(record, 0).block;
  const oldBlock = oldHeapBlock(record) ?? newBlock;
  if (block.fork === Fork.VISIBILITY_MAP) {
    const flags = updateFlags(record);
    const heapBlocks = [
      ...(flags & UpdateFlag.NEW_ALL_VISIBLE_CLEARED ? [newBlock] : []),
      ...(flags & UpdateFlag.OLD_ALL_VISIBLE_CLEARED ? [oldBlock] : []),
    ];
    return clearVisibility(context, page, { heapBlocks });
  }
  const isOld = block.id === 1 || oldBlock === newBlock;
  const isNew = block.id === 0;
  if (isOld) markUpdated(context, page, { newBlock, hotUpdate });
  if (isNew) {
    if (!isOld && record.info & HEAP_INIT_PAGE) initPage(page);
    addSuccessor(context, page);
  }
}

function oldHeapBlock(record: WalRecord): number | undefined {
  const block = findBlock(record, 1);
  return block?.fork === Fork.MAIN ? block.block : undefined;
}

const updateFlags = ({ bytes, mainOffset }: WalRecord): number => bytes[mainOffset + 7] as number;

/** The old version points to its successor. */
function markUpdated(
  { record, endLsn }: BlockRedoContext,
  page: Uint8Array,
  { newBlock, hotUpdate }: { newBlock: number; hotUpdate: boolean },
): void {
  const { bytes, mainOffset: main } = record;
  const tuple = tupleAt(page, readU16(bytes, main + 4));
  setXmaxStatus(page, tuple, bytes[main + 6] as number);
  setHotUpdated(page, tuple, hotUpdate);
  setTupleXmax(page, tuple, readU32(bytes, main));
  setFirstCommandId(page, tuple);
  writeItemPointer(page, tupleCtidAt(tuple), { block: newBlock, offsetNumber: readU16(bytes, main + 12) });
  setPrunable(page, record.xid);
  if (updateFlags(record) & UpdateFlag.OLD_ALL_VISIBLE_CLEARED) clearPageFlags(page, PageFlag.ALL_VISIBLE);
  setPageLsn(page, endLsn);
}

function addSuccessor({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes, mainOffset: main } = record;
  const flags = updateFlags(record);
  const offsetNumber = readU16(bytes, main + 12);
  const common = (flags & UpdateFlag.PREFIX_FROM_OLD ? 2 : 0) + (flags & UpdateFlag.SUFFIX_FROM_OLD ? 2 : 0);
  const data = blockData(record, block, common + STORED_HEADER_SIZE);
  const header = data + common;
  const headerLength = bytes[header + 4] as number;
  const tuple = buildTuple(
    { infomask2: readU16(bytes, header), infomask: readU16(bytes, header + 2), headerLength },
    {
      xmin: record.xid,
      tid: { block: block.block, offsetNumber },
      bodyParts: successorParts(page, record, {
        stored: { bytes, offset: header + STORED_HEADER_SIZE, length: block.dataLength - common - STORED_HEADER_SIZE },
        nullsLength: headerLength - HEAP_TUPLE_HEADER_SIZE,
        prefixLength: flags & UpdateFlag.PREFIX_FROM_OLD ? readU16(bytes, data) : 0,
        suffixLength: flags & UpdateFlag.SUFFIX_FROM_OLD ? readU16(bytes, header - 2) : 0,
      }),
    },
  );
  setTupleXmax(tuple.bytes, tuple.offset, readU32(bytes, main + 8));
  addHeapTuple(page, tuple, offsetNumber);
  if (flags & UpdateFlag.NEW_ALL_VISIBLE_CLEARED) clearPageFlags(page, PageFlag.ALL_VISIBLE);
  setPageLsn(page, endLsn);
}

interface SuccessorSources {
  /** Null bitmap with padding, then what differs from the old version. */
  readonly stored: Piece;
  readonly nullsLength: number;
  readonly prefixLength: number;
  readonly suffixLength: number;
}

/** What follows the fixed header: null bitmap, common prefix, what differs, common suffix. */
function successorParts(
  page: Uint8Array,
  { bytes, mainOffset }: WalRecord,
  { stored, nullsLength, prefixLength, suffixLength }: SuccessorSources,
): Piece[] {
  if (prefixLength === 0 && suffixLength === 0) return [stored];
  const pointer = normalItem(page, readU16(bytes, mainOffset + 4));
  const old = itemOffset(pointer);
  const suffix = { bytes: page, offset: old + itemLength(pointer) - suffixLength, length: suffixLength };
  if (prefixLength === 0) return [stored, suffix];
  return [
    { ...stored, length: nullsLength },
    { bytes: page, offset: old + tupleHeaderLength(page, old), length: prefixLength },
    { ...stored, offset: stored.offset + nullsLength, length: stored.length - nullsLength },
    suffix,
  ];
}
