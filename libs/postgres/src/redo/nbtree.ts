/**
 * Redo of Btree records, by operation and block (nbtree/nbtxlog.c); splitting, deduplication and deletion of tuples and of
 * pages are in files of their own. REUSE_PAGE is for hot standby alone and names no blocks.
 */
import { addItem } from '../page/bufpage';
import { checkedTupleSize } from '../page/index-tuple';
import { itemOffset, itemLength, storedItem } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { BtreeFlag, NO_SIBLING, btreeFlags, initBtreeMeta, initBtreePage, setBtreeFlags } from '../page/nbtree-page';
import { swapPosting } from '../page/nbtree-posting';
import { setPageLsn } from '../page/page-header';
import { UnsupportedRecord } from './change';
import { redoBtreeDelete, redoBtreeVacuum } from './nbtree-delete';
import { redoBtreeDedup } from './nbtree-dedup';
import { redoMarkPageHalfDead, redoUnlinkPage } from './nbtree-page-delete';
import { redoBtreeSplit, restoreItems } from './nbtree-split';
import { blockData, blockDataPiece, mainData } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = {
  INSERT_LEAF: 0x00,
  INSERT_UPPER: 0x10,
  INSERT_META: 0x20,
  SPLIT_L: 0x30,
  SPLIT_R: 0x40,
  INSERT_POST: 0x50,
  DEDUP: 0x60,
  DELETE: 0x70,
  UNLINK_PAGE: 0x80,
  UNLINK_PAGE_META: 0x90,
  NEWROOT: 0xa0,
  MARK_PAGE_HALFDEAD: 0xb0,
  VACUUM: 0xc0,
  META_CLEANUP: 0xe0,
} as const;

export const nbtreeRedo: BlockRedo = (context, page) => {
  const { record } = context;
  switch (record.info & 0xf0) {
    case Operation.INSERT_LEAF:
      return redoInsert(context, page);
    case Operation.INSERT_UPPER:
    case Operation.INSERT_META:
      return redoInsertUpper(context, page);
    case Operation.INSERT_POST:
      return redoInsertPost(context, page);
    case Operation.SPLIT_L:
      return redoBtreeSplit(context, page, true);
    case Operation.SPLIT_R:
      return redoBtreeSplit(context, page, false);
    case Operation.DEDUP:
      return redoBtreeDedup(context, page);
    case Operation.DELETE:
      return redoBtreeDelete(context, page);
    case Operation.VACUUM:
      return redoBtreeVacuum(context, page);
    case Operation.MARK_PAGE_HALFDEAD:
      return redoMarkPageHalfDead(context, page);
    case Operation.UNLINK_PAGE:
    case Operation.UNLINK_PAGE_META:
      return context.block.id === 4 ? restoreMeta(context, page) : redoUnlinkPage(context, page);
    case Operation.NEWROOT:
      return redoNewRoot(context, page);
    case Operation.META_CLEANUP:
      return restoreMeta(context, page);
    default:
      throw new UnsupportedRecord(
        `Btree/${record.info.toString(16)}`,
        record.lsn,
        'no block redo for this Btree record',
      );
  }
};

/** xl_btree_insert: offnum. The tuple is block 0's data. */
function redoInsert({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  addItem(page, blockDataPiece(record, block), readU16(record.bytes, mainData(record, 2)));
  setPageLsn(page, endLsn);
}

/** An insertion above the leaves finishes the split of a child (block 1) and may touch the metapage (block 2). */
function redoInsertUpper(context: BlockRedoContext, page: Uint8Array): void {
  switch (context.block.id) {
    case 1:
      return clearIncompleteSplit(context, page);
    case 2:
      return restoreMeta(context, page);
    default:
      return redoInsert(context, page);
  }
}

/** An insertion into the middle of a posting list, which is the item before. Block data: position, then the tuple. */
function redoInsertPost({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const offsetNumber = readU16(bytes, mainData(record, 2));
  const data = blockData(record, block, 2);
  const end = data + block.dataLength;
  checkedTupleSize(bytes, data + 2, end);
  const pointer = storedItem(page, offsetNumber - 1);
  const at = itemOffset(pointer);
  const { posting, added } = swapPosting(
    page.subarray(at, at + itemLength(pointer)),
    bytes.subarray(data + 2, end),
    readU16(bytes, data),
  );
  page.set(posting, at);
  addItem(page, { bytes: added, offset: 0, length: added.length }, offsetNumber);
  setPageLsn(page, endLsn);
}

export function clearIncompleteSplit({ endLsn }: BlockRedoContext, page: Uint8Array): void {
  setBtreeFlags(page, btreeFlags(page) & ~BtreeFlag.INCOMPLETE_SPLIT);
  setPageLsn(page, endLsn);
}

/** xl_btree_metadata, as the data of whichever block is the metapage. */
function restoreMeta({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const data = blockData(record, block, 25);
  initBtreeMeta(page, {
    version: readU32(bytes, data),
    root: readU32(bytes, data + 4),
    level: readU32(bytes, data + 8),
    fastRoot: readU32(bytes, data + 12),
    fastLevel: readU32(bytes, data + 16),
    lastCleanupDeletedPages: readU32(bytes, data + 20),
    allEqualImage: bytes[data + 24] !== 0,
  });
  setPageLsn(page, endLsn);
}

/** xl_btree_newroot: rootblk, level. Block 0 is the root, 1 its left child if it was split, 2 the metapage. */
function redoNewRoot(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  if (block.id === 1) return clearIncompleteSplit(context, page);
  if (block.id === 2) return restoreMeta(context, page);
  const level = readU32(record.bytes, mainData(record, 8) + 4);
  const flags = level === 0 ? BtreeFlag.ROOT | BtreeFlag.LEAF : BtreeFlag.ROOT;
  initBtreePage(page, { previous: NO_SIBLING, next: NO_SIBLING, level, flags });
  if (level > 0) restoreItems(page, blockDataPiece(record, block));
  setPageLsn(page, endLsn);
}
