/**
 * Redo of Heap/UPDATE and Heap/HOT_UPDATE (heap_xlog_update of heapam.c).
 *
 * Block 0 holds the tuple's successor; block 1 the tuple itself, unless both share block 0. Only then may the successor be
 * stored as its difference to the tuple: a common prefix and suffix of the attributes are taken from the old version.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { copyPiece, type Piece } from '../page/bufpage';
import { HEAP_TUPLE_HEADER_SIZE, setTupleXmax, tupleCtidAt, tupleHeaderLength } from '../page/heap-tuple';
import { writeItemPointer } from '../page/item-pointer';
import { itemLength, itemOffset } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { PageFlag, clearPageFlags, initPage, setPageLsn } from '../page/page-header';
import { Fork, type WalRecord } from '../wal/record';
import {
  clearVisibility,
  normalItem,
  placeTuple,
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

function addSuccessor(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const { bytes, mainOffset: main } = record;
  const flags = updateFlags(record);
  const common = (flags & UpdateFlag.PREFIX_FROM_OLD ? 2 : 0) + (flags & UpdateFlag.SUFFIX_FROM_OLD ? 2 : 0);
  const data = blockData(record, block, common + STORED_HEADER_SIZE);
  const headerAt = data + common;
  const prefixLength = flags & UpdateFlag.PREFIX_FROM_OLD ? readU16(bytes, data) : 0;
  const suffixLength = flags & UpdateFlag.SUFFIX_FROM_OLD ? readU16(bytes, headerAt - 2) : 0;
  const storedLength = block.dataLength - common - STORED_HEADER_SIZE;
  const offsetNumber = readU16(bytes, main + 12);
  const bodyLength = storedLength + prefixLength + suffixLength;
  const bodyAt = placeTuple(context, page, { headerAt, offsetNumber, bodyLength });
  setTupleXmax(page, bodyAt - HEAP_TUPLE_HEADER_SIZE, readU32(bytes, main + 8));
  const stored = { bytes, offset: headerAt + STORED_HEADER_SIZE, length: storedLength };
  if (common === 0) copyPiece(page, bodyAt, stored);
  else copyBody(context, page, { bodyAt, stored, prefixLength, suffixLength });
  if (flags & UpdateFlag.NEW_ALL_VISIBLE_CLEARED) clearPageFlags(page, PageFlag.ALL_VISIBLE);
  setPageLsn(page, endLsn);
}

interface SuccessorBody {
  readonly bodyAt: number;
  /** Null bitmap with padding, then what differs from the old version. */
  readonly stored: Piece;
  readonly prefixLength: number;
  readonly suffixLength: number;
}

/** Null bitmap, common prefix, what differs, common suffix; the common parts lie in the old version, on the same page. */
function copyBody(
  { record }: BlockRedoContext,
  page: Uint8Array,
  { bodyAt, stored, prefixLength, suffixLength }: SuccessorBody,
): void {
  const { bytes, offset, length } = stored;
  const pointer = normalItem(page, readU16(record.bytes, record.mainOffset + 4));
  const old = itemOffset(pointer);
  const oldEnd = old + itemLength(pointer);
  const prefix = old + tupleHeaderLength(page, old);
  const nullsLength =
    prefixLength === 0 ? 0 : tupleHeaderLength(page, bodyAt - HEAP_TUPLE_HEADER_SIZE) - HEAP_TUPLE_HEADER_SIZE;
  if (nullsLength < 0 || nullsLength > length || prefix + prefixLength + suffixLength > oldEnd)
    throw new Corrupt(`the update at ${Lsn.format(record.lsn)} shares more with the old version than there is`);
  const differenceAt = bodyAt + nullsLength + prefixLength;
  copyPiece(page, bodyAt, { bytes, offset, length: nullsLength });
  page.copyWithin(bodyAt + nullsLength, prefix, prefix + prefixLength);
  copyPiece(page, differenceAt, { bytes, offset: offset + nullsLength, length: length - nullsLength });
  page.copyWithin(differenceAt + length - nullsLength, oldEnd - suffixLength, oldEnd);
}
