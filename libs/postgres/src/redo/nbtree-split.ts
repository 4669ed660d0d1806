/**
 * Redo of Btree/SPLIT_L and SPLIT_R (btree_xlog_split): block 0 keeps the left half, block 1 is the new right sibling,
 * block 2 the sibling that was right before, block 3 the child whose split this insertion finishes.
 *
 * The right page is stored whole. The left one is rebuilt from its own items below `firstRight`, a new high key and, when
 * it goes there (SPLIT_L) or split a posting list, the new item.
 */
import { Corrupt } from '@neon/kernel';
import { addItem, pieceOf, type Piece } from '../page/bufpage';
import { checkedTupleSize } from '../page/index-tuple';
import { itemLength, itemOffset, storedItem } from '../page/line-pointer';
import { maxAlign, readU16, readU32 } from '../page/little-endian';
import {
  BtreeFlag,
  HIGH_KEY,
  NO_SIBLING,
  btreeFlags,
  clearBtreeItems,
  firstDataKey,
  initBtreePage,
  setBtreeCycleId,
  setBtreeFlags,
  setBtreeNext,
  setBtreePrevious,
} from '../page/nbtree-page';
import { swapPosting } from '../page/nbtree-posting';
import { PAGE_SIZE, setPageLsn } from '../page/page-header';
import { findBlock, mainData, requireBlock } from './record-data';
import type { BlockRedoContext } from './block-redo';

/** xl_btree_split. */
interface Split {
  readonly level: number;
  /** The first item of the original page that goes right. */
  readonly firstRight: number;
  readonly newItemAt: number;
  /** Where a posting list was split for the new item; 0 when none was. */
  readonly postingPosition: number;
}

function readSplit({ record }: BlockRedoContext): Split {
  const main = mainData(record, 10);
  const { bytes } = record;
  return {
    level: readU32(bytes, main),
    firstRight: readU16(bytes, main + 4),
    newItemAt: readU16(bytes, main + 6),
    postingPosition: readU16(bytes, main + 8),
  };
}

export function redoBtreeSplit(context: BlockRedoContext, page: Uint8Array, newItemOnLeft: boolean): void {
  const split = readSplit(context);
  switch (context.block.id) {
    case 0:
      rebuildLeft(context, page, { split, newItemOnLeft });
      break;
    case 1:
      buildRight(context, page, split);
      break;
    case 2:
      setBtreePrevious(page, requireBlock(context.record, 1).block);
      break;
    case 3:
      setBtreeFlags(page, btreeFlags(page) & ~BtreeFlag.INCOMPLETE_SPLIT);
      break;
    default:
      throw new Corrupt(`a Btree split has no block ${context.block.id}`);
  }
  setPageLsn(page, context.endLsn);
}

function buildRight({ record, block }: BlockRedoContext, page: Uint8Array, { level }: Split): void {
  initBtreePage(page, {
    previous: requireBlock(record, 0).block,
    next: findBlock(record, 2)?.block ?? NO_SIBLING,
    level,
    flags: level === 0 ? BtreeFlag.LEAF : 0,
  });
  restoreItems(page, { bytes: record.bytes, offset: block.dataOffset, length: block.dataLength });
}

/** Fills an empty page with tuples that were stored in the order they lie on a page: the last item first. */
export function restoreItems(page: Uint8Array, { bytes, offset, length }: Piece): void {
  const end = offset + length;
  const starts: number[] = [];
  for (let at = offset; at < end; at += maxAlign(checkedTupleSize(bytes, at, end))) starts.push(at);
  for (let index = starts.length - 1, next = end; index >= 0; index--) {
    const start = starts[index] as number;
    addItem(page, { bytes, offset: start, length: next - start }, starts.length - index);
    next = start;
  }
}

const original = new Uint8Array(PAGE_SIZE);

function rebuildLeft(
  context: BlockRedoContext,
  page: Uint8Array,
  { split, newItemOnLeft }: { split: Split; newItemOnLeft: boolean },
): void {
  original.set(page);
  const { newItem, posting, highKey } = storedParts(context, { split, newItemOnLeft });
  const firstData = firstDataKey(page);
  clearBtreeItems(page);
  addItem(page, highKey, HIGH_KEY);
  let next = HIGH_KEY + 1;
  const newItemNumber = newItemOnLeft ? split.newItemAt : undefined;
  for (let number = firstData; number < split.firstRight; number++) {
    if (posting !== undefined && number === split.newItemAt - 1) {
      addItem(page, posting, next++);
      continue;
    }
    if (newItem !== undefined && number === newItemNumber) addItem(page, newItem, next++);
    const pointer = storedItem(original, number);
    addItem(page, { bytes: original, offset: itemOffset(pointer), length: itemLength(pointer) }, next++);
  }
  if (newItem !== undefined && newItemNumber === Math.max(split.firstRight, firstData)) addItem(page, newItem, next);
  setBtreeFlags(page, BtreeFlag.INCOMPLETE_SPLIT | (split.level === 0 ? BtreeFlag.LEAF : 0));
  setBtreeNext(page, requireBlock(context.record, 1).block);
  setBtreeCycleId(page, 0);
}

interface StoredParts {
  readonly newItem: Piece | undefined;
  /** What the split posting list, the item before the new one, becomes. */
  readonly posting: Piece | undefined;
  readonly highKey: Piece;
}

/** Block 0's data: the new item if the left page needs it, then the left page's high key. */
function storedParts(
  { record, block }: BlockRedoContext,
  { split, newItemOnLeft }: { split: Split; newItemOnLeft: boolean },
): StoredParts {
  const { bytes } = record;
  const end = block.dataOffset + block.dataLength;
  let at = block.dataOffset;
  const take = (): Piece => {
    const length = maxAlign(checkedTupleSize(bytes, at, end));
    if (at + length > end) throw new Corrupt('a Btree split lacks the padding of a tuple');
    const piece = { bytes, offset: at, length };
    at += length;
    return piece;
  };
  if (!newItemOnLeft && split.postingPosition === 0) return { newItem: undefined, posting: undefined, highKey: take() };
  const newItem = take();
  const highKey = take();
  if (split.postingPosition === 0) return { newItem, posting: undefined, highKey };
  const pointer = storedItem(original, split.newItemAt - 1);
  const swapped = swapPosting(
    original.subarray(itemOffset(pointer), itemOffset(pointer) + itemLength(pointer)),
    bytes.subarray(newItem.offset, newItem.offset + newItem.length),
    split.postingPosition,
  );
  return { newItem: pieceOf(swapped.added), posting: pieceOf(swapped.posting), highKey };
}
