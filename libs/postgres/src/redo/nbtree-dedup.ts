/**
 * Redo of Btree/DEDUP (btree_xlog_dedup): runs of neighbouring tuples with equal keys become posting list tuples.
 *
 * The record holds the runs alone (BTDedupInterval: first offset number, how many items); all else is on the page.
 */
import { addItem, pieceOf } from '../page/bufpage';
import { itemLength, itemOffset, linePointerCount, storedItem } from '../page/line-pointer';
import { readU16 } from '../page/little-endian';
import { indexTupleSize } from '../page/index-tuple';
import { BtreeFlag, HIGH_KEY, btreeFlags, clearBtreeItems, firstDataKey, setBtreeFlags } from '../page/nbtree-page';
import { formPosting, heapTids } from '../page/nbtree-posting';
import { PAGE_SIZE, setPageLsn } from '../page/page-header';
import { blockData, mainData } from './record-data';
import type { BlockRedoContext } from './block-redo';

const INTERVAL_SIZE = 4;
const original = new Uint8Array(PAGE_SIZE);

export function redoBtreeDedup({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const intervalCount = readU16(bytes, mainData(record, 2));
  const data = blockData(record, block, intervalCount * INTERVAL_SIZE);
  original.set(page);
  const firstData = firstDataKey(page);
  const itemCount = linePointerCount(page);
  clearBtreeItems(page);
  if (firstData !== HIGH_KEY) copyItem(page, HIGH_KEY);
  let interval = 0;
  for (let number = firstData; number <= itemCount;) {
    const at = data + interval * INTERVAL_SIZE;
    if (interval < intervalCount && readU16(bytes, at) === number) {
      const runLength = readU16(bytes, at + 2);
      mergeItems(page, { first: number, count: runLength });
      number += Math.max(1, runLength);
      interval++;
    } else {
      copyTuple(page, number++);
    }
  }
  setBtreeFlags(page, btreeFlags(page) & ~BtreeFlag.HAS_GARBAGE);
  setPageLsn(page, endLsn);
}

/** Appends an item with the length its line pointer says. */
function copyItem(page: Uint8Array, number: number): void {
  const pointer = storedItem(original, number);
  const item = { bytes: original, offset: itemOffset(pointer), length: itemLength(pointer) };
  addItem(page, item, linePointerCount(page) + 1);
}

/** Appends a tuple with the length its own header says. */
function copyTuple(page: Uint8Array, number: number): void {
  const offset = itemOffset(storedItem(original, number));
  addItem(page, { bytes: original, offset, length: indexTupleSize(original, offset) }, linePointerCount(page) + 1);
}

function mergeItems(page: Uint8Array, { first, count }: { first: number; count: number }): void {
  const lists = Array.from({ length: count }, (_, i) =>
    heapTids(original, itemOffset(storedItem(original, first + i))),
  );
  const tids = new Uint8Array(lists.reduce((size, list) => size + list.length, 0));
  let size = 0;
  for (const list of lists) {
    tids.set(list, size);
    size += list.length;
  }
  const posting = formPosting(original, itemOffset(storedItem(original, first)), tids);
  addItem(page, pieceOf(posting), linePointerCount(page) + 1);
}
