/**
 * Redo of Gin records (gin/ginxlog.c); the recompression of posting lists is in `gin-recompress`.
 *
 * SPLIT and VACUUM_PAGE bring whole pages: only a child whose split they finish is redone.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { addItem } from '../page/bufpage';
import {
  GIN_DATA_AT,
  GIN_META_SIZE,
  GinFlag,
  POSTING_ITEM_SIZE,
  addPostingItem,
  deletePostingItem,
  ginFlags,
  ginMaxOffset,
  initGinMeta,
  initGinPage,
  postingItemAt,
  setGinDataSize,
  setGinFlags,
  setGinMaxOffset,
  setGinRightLink,
} from '../page/gin-page';
import { deleteIndexTuple } from '../page/index-page';
import { checkedTupleSize } from '../page/index-tuple';
import { pointerBlock, setPointerBlock, writeItemPointer } from '../page/item-pointer';
import { itemAt, linePointerCount } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { INVALID_BLOCK, setPageLsn, setPagePruneXid } from '../page/page-header';
import { UnsupportedRecord } from './change';
import { recompressLeaf } from './gin-recompress';
import { blockData, mainData } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = {
  CREATE_PTREE: 0x10,
  INSERT: 0x20,
  SPLIT: 0x30,
  VACUUM_PAGE: 0x40,
  DELETE_PAGE: 0x50,
  UPDATE_META_PAGE: 0x60,
  INSERT_LISTPAGE: 0x70,
  DELETE_LISTPAGE: 0x80,
  VACUUM_DATA_LEAF_PAGE: 0x90,
} as const;

const InsertFlag = { IS_DATA: 1, IS_LEAF: 2 } as const;

export const ginRedo: BlockRedo = (context, page) => {
  switch (context.record.info & 0xf0) {
    case Operation.CREATE_PTREE:
      redoCreatePostingTree(context, page);
      break;
    case Operation.INSERT:
      redoInsert(context, page);
      break;
    case Operation.SPLIT:
      redoSplit(context, page);
      break;
    case Operation.DELETE_PAGE:
      redoDeletePage(context, page);
      break;
    case Operation.UPDATE_META_PAGE:
      redoUpdateMeta(context, page);
      break;
    case Operation.INSERT_LISTPAGE:
      redoInsertListPage(context, page);
      break;
    case Operation.DELETE_LISTPAGE:
      redoDeleteListPages(context, page);
      break;
    case Operation.VACUUM_DATA_LEAF_PAGE:
      recompressLeaf(page, {
        bytes: context.record.bytes,
        offset: context.block.dataOffset,
        length: context.block.dataLength,
      });
      break;
    default:
      unsupported(context, 'no block redo for this Gin record');
  }
  setPageLsn(page, context.endLsn);
};

function unsupported({ record }: BlockRedoContext, reason: string): never {
  throw new UnsupportedRecord(`Gin/${record.info.toString(16)}`, record.lsn, reason);
}

/** ginxlogCreatePostingTree: size, then the posting lists of the tree's one leaf. */
function redoCreatePostingTree({ record }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 4);
  const size = readU32(bytes, main);
  mainData(record, 4 + size);
  initGinPage(page, GinFlag.DATA | GinFlag.LEAF | GinFlag.COMPRESSED);
  setGinDataSize(page, size);
  page.set(bytes.subarray(main + 4, main + 4 + size), GIN_DATA_AT);
}

/** ginxlogInsert: flags, and above the leaves the left and right child of the split that this finishes (as block ids). */
function redoInsert(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block } = context;
  const { bytes } = record;
  const main = mainData(record, 2);
  if (block.id === 1) return clearIncompleteSplit(page);
  const flags = readU16(bytes, main);
  const isLeaf = (flags & InsertFlag.IS_LEAF) !== 0;
  const rightChild = isLeaf ? INVALID_BLOCK : pointerBlock(bytes, mainData(record, 10) + 6);
  if ((flags & InsertFlag.IS_DATA) === 0) insertEntry(context, page, rightChild);
  else if (isLeaf) recompressLeaf(page, { bytes, offset: block.dataOffset, length: block.dataLength });
  else insertChild(context, page, rightChild);
}

function clearIncompleteSplit(page: Uint8Array): void {
  setGinFlags(page, ginFlags(page) & ~GinFlag.INCOMPLETE_SPLIT);
}

/** ginxlogInsertEntry: offset, isDelete, tuple. The item that is there may be replaced, or get a child's right half. */
function insertEntry({ record, block }: BlockRedoContext, page: Uint8Array, rightChild: number): void {
  const { bytes } = record;
  const data = blockData(record, block, 4);
  const offsetNumber = readU16(bytes, data);
  if (rightChild !== INVALID_BLOCK)
    writeItemPointer(page, itemAt(page, offsetNumber), { block: rightChild, offsetNumber: 0 });
  if (bytes[data + 2] !== 0) deleteIndexTuple(page, offsetNumber);
  const tuple = data + 4;
  const length = checkedTupleSize(bytes, tuple, data + block.dataLength);
  addItem(page, { bytes, offset: tuple, length }, offsetNumber);
}

/** ginxlogInsertDataInternal: offset, newitem. */
function insertChild({ record, block }: BlockRedoContext, page: Uint8Array, rightChild: number): void {
  const data = blockData(record, block, 2 + POSTING_ITEM_SIZE);
  const offsetNumber = readU16(record.bytes, data);
  setPointerBlock(page, postingItemAt(page, offsetNumber), rightChild);
  addPostingItem(page, offsetNumber, record.bytes.subarray(data + 2, data + 2 + POSTING_ITEM_SIZE));
}

/** Blocks 0 to 2 come as images; block 3 is a child. */
function redoSplit(context: BlockRedoContext, page: Uint8Array): void {
  if (context.block.id !== 3) unsupported(context, 'a GIN split without an image of its pages');
  clearIncompleteSplit(page);
}

/** ginxlogDeletePage: parentOffset, rightLink, deleteXid. Block 0 is the page, 1 its parent, 2 its left sibling. */
function redoDeletePage({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 12);
  if (block.id === 0) {
    setGinFlags(page, ginFlags(page) | GinFlag.DELETED);
    // GinPageSetDeleteXid: a GIN page has no other use for pd_prune_xid.
    setPagePruneXid(page, readU32(bytes, main + 8));
  } else if (block.id === 1) {
    deletePostingItem(page, readU16(bytes, main));
  } else {
    setGinRightLink(page, readU32(bytes, main + 4));
  }
}

/** ginxlogUpdateMeta: locator (12, padded to 16), metadata, prevTail, newRightlink, ntuples. */
const UpdateMeta = {
  METADATA: 16,
  NEW_RIGHT_LINK: 16 + GIN_META_SIZE + 4,
  TUPLE_COUNT: 16 + GIN_META_SIZE + 8,
} as const;

/** Block 0 is the metapage, block 1 the tail of the pending list: it takes tuples, or another page behind it. */
function redoUpdateMeta(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block } = context;
  const { bytes } = record;
  const main = mainData(record, UpdateMeta.TUPLE_COUNT + 4);
  if (block.id === 0) {
    initGinMeta(page, bytes.subarray(main + UpdateMeta.METADATA, main + UpdateMeta.METADATA + GIN_META_SIZE));
    return;
  }
  const tupleCount = readU32(bytes, main + UpdateMeta.TUPLE_COUNT);
  if (tupleCount > 0) {
    appendTuples(context, page, tupleCount);
    setGinMaxOffset(page, ginMaxOffset(page) + 1);
  } else {
    setGinRightLink(page, readU32(bytes, main + UpdateMeta.NEW_RIGHT_LINK));
  }
}

/** Adds the tuples that the block's data holds, one behind the other. */
function appendTuples({ record, block }: BlockRedoContext, page: Uint8Array, count: number): void {
  const end = block.dataOffset + block.dataLength;
  let at = block.dataOffset;
  for (let i = 0; i < count; i++) {
    const length = checkedTupleSize(record.bytes, at, end);
    addItem(page, { bytes: record.bytes, offset: at, length }, linePointerCount(page) + 1);
    at += length;
  }
  if (at !== end) throw new Corrupt(`tuples of the Gin record at ${Lsn.format(record.lsn)} do not fill its data`);
}

/** ginxlogInsertListPage: rightlink, ntuples. The last page of a list holds whole rows only. */
function redoInsertListPage(context: BlockRedoContext, page: Uint8Array): void {
  const { record } = context;
  const main = mainData(record, 8);
  const rightLink = readU32(record.bytes, main);
  const isLast = rightLink === INVALID_BLOCK;
  initGinPage(page, isLast ? GinFlag.LIST | GinFlag.LIST_FULLROW : GinFlag.LIST);
  setGinRightLink(page, rightLink);
  setGinMaxOffset(page, isLast ? 1 : 0);
  appendTuples(context, page, readU32(record.bytes, main + 4));
}

/** ginxlogDeleteListPages: metadata, ndeleted. Block 0 is the metapage, the others go. */
function redoDeleteListPages({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const main = mainData(record, GIN_META_SIZE);
  if (block.id === 0) initGinMeta(page, record.bytes.subarray(main, main + GIN_META_SIZE));
  else initGinPage(page, GinFlag.DELETED);
}
