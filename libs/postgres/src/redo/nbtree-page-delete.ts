/**
 * Redo of the two steps in which an empty B-tree page goes away: MARK_PAGE_HALFDEAD takes its downlink from the parent,
 * UNLINK_PAGE takes it from its siblings (btree_xlog_mark_page_halfdead, btree_xlog_unlink_page).
 */
import { Corrupt } from '@neon/kernel';
import { addItem, pieceOf } from '../page/bufpage';
import { deleteIndexTuple } from '../page/index-page';
import { INDEX_AM_RESERVED_BIT, INDEX_TUPLE_HEADER_SIZE, setIndexTupleInfo } from '../page/index-tuple';
import { pointerBlock, setPointerBlock } from '../page/item-pointer';
import { itemAt } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import {
  BtreeFlag,
  HIGH_KEY,
  initBtreePage,
  setBtreeDeleted,
  setBtreeNext,
  setBtreePrevious,
} from '../page/nbtree-page';
import { setPageLsn } from '../page/page-header';
import { mainData } from './record-data';
import type { BlockRedoContext } from './block-redo';

/** xl_btree_mark_page_halfdead: poffset, leafblk, leftblk, rightblk, topparent. Block 0 is the leaf, 1 the parent. */
export function redoMarkPageHalfDead({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 20);
  if (block.id === 1) removeDownlink(page, readU16(bytes, main));
  else
    initHalfDeadLeaf(page, {
      previous: readU32(bytes, main + 8),
      next: readU32(bytes, main + 12),
      topParent: readU32(bytes, main + 16),
    });
  setPageLsn(page, endLsn);
}

/** The key space of a child goes to its right sibling: the item keeps its key and takes the next item's downlink. */
function removeDownlink(parent: Uint8Array, offsetNumber: number): void {
  const rightSibling = pointerBlock(parent, itemAt(parent, offsetNumber + 1));
  setPointerBlock(parent, itemAt(parent, offsetNumber), rightSibling);
  deleteIndexTuple(parent, offsetNumber + 1);
}

interface HalfDeadLeaf {
  readonly previous: number;
  readonly next: number;
  /** The highest page of the branch that goes away with the leaf; its block number is kept in a dummy high key. */
  readonly topParent: number;
}

function initHalfDeadLeaf(page: Uint8Array, { previous, next, topParent }: HalfDeadLeaf): void {
  initBtreePage(page, { previous, next, level: 0, flags: BtreeFlag.HALF_DEAD | BtreeFlag.LEAF });
  const highKey = new Uint8Array(INDEX_TUPLE_HEADER_SIZE);
  setIndexTupleInfo(highKey, 0, INDEX_TUPLE_HEADER_SIZE | INDEX_AM_RESERVED_BIT);
  setPointerBlock(highKey, 0, topParent);
  addItem(page, pieceOf(highKey), HIGH_KEY);
}

/**
 * xl_btree_unlink_page: leftsib, rightsib, level, safexid (8-aligned), leafleftsib, leafrightsib, leaftopparent.
 * Block 0 is the page, 1 and 2 its siblings, 3 the half-dead leaf of its branch unless it is that leaf itself.
 */
export function redoUnlinkPage({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 36);
  const left = readU32(bytes, main);
  const right = readU32(bytes, main + 4);
  const level = readU32(bytes, main + 8);
  switch (block.id) {
    case 0:
      initBtreePage(page, { previous: left, next: right, level, flags: level === 0 ? BtreeFlag.LEAF : 0 });
      setBtreeDeleted(page, bytes.subarray(main + 16, main + 24));
      break;
    case 1:
      setBtreeNext(page, right);
      break;
    case 2:
      setBtreePrevious(page, left);
      break;
    case 3:
      initHalfDeadLeaf(page, {
        previous: readU32(bytes, main + 24),
        next: readU32(bytes, main + 28),
        topParent: readU32(bytes, main + 32),
      });
      break;
    default:
      throw new Corrupt(`unlinking a Btree page has no block ${block.id}`);
  }
  setPageLsn(page, endLsn);
}
