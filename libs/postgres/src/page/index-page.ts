/**
 * Items of an index page: deleting and overwriting, with the same promises as `bufpage` (storage/page/bufpage.c).
 */
import { Corrupt } from '@neon/kernel';
import { copyPiece, type Piece } from './bufpage';
import { compactTuples, kept } from './compaction';
import {
  LINE_POINTER_SIZE,
  UNUSED_POINTER,
  itemHasStorage,
  itemLength,
  itemOffset,
  itemState,
  linePointerAt,
  linePointerCount,
  setLinePointer,
  storedItem,
  withItemOffset,
} from './line-pointer';
import { maxAlign } from './little-endian';
import {
  PAGE_HEADER_SIZE,
  checkHeader,
  pageIsEmpty,
  pageLower,
  pageSpecial,
  pageUpper,
  setPageLower,
  setPageUpper,
} from './page-header';
import { pointers, readPointers, writePointers } from './pointer-array';

/** Removes an item and its line pointer; later items get smaller offset numbers (PageIndexTupleDelete). */
export function deleteIndexTuple(page: Uint8Array, offsetNumber: number): void {
  const pointer = checkedItem(page, offsetNumber);
  const at = linePointerAt(offsetNumber);
  page.copyWithin(at, at + LINE_POINTER_SIZE, pageLower(page));
  setPageLower(page, pageLower(page) - LINE_POINTER_SIZE);
  closeGap(page, pointer);
}

/** Removes an item, leaving its line pointer unused unless it is the last one (PageIndexTupleDeleteNoCompact). */
export function deleteIndexTupleNoCompact(page: Uint8Array, offsetNumber: number): void {
  const pointer = checkedItem(page, offsetNumber);
  if (offsetNumber < linePointerCount(page)) setLinePointer(page, offsetNumber, UNUSED_POINTER);
  else setPageLower(page, pageLower(page) - LINE_POINTER_SIZE);
  closeGap(page, pointer);
}

/** Removes several items, given in ascending order, and their line pointers (PageIndexMultiDelete). */
export function deleteIndexTuples(page: Uint8Array, offsetNumbers: ArrayLike<number>): void {
  if (offsetNumbers.length <= 2) {
    // Postgres deletes so few one by one, from the back.
    for (let i = offsetNumbers.length - 1; i >= 0; i--) deleteIndexTuple(page, offsetNumbers[i] as number);
    return;
  }
  checkHeader(page);
  const upper = pageUpper(page);
  const special = pageSpecial(page);
  const lineCount = readPointers(page);
  let count = 0;
  let total = 0;
  let deleted = 0;
  let sorted = true;
  let previous = special;
  for (let index = 0; index < lineCount; index++) {
    const pointer = pointers[index] as number;
    checkItemPlace(pointer, { upper, special });
    if (deleted < offsetNumbers.length && index + 1 === offsetNumbers[deleted]) {
      deleted++;
      continue;
    }
    const offset = itemOffset(pointer);
    if (previous > offset) previous = offset;
    else sorted = false;
    kept[count] = count;
    total += maxAlign(itemLength(pointer));
    pointers[count++] = pointer;
  }
  if (deleted !== offsetNumbers.length) throw new Corrupt('incorrect index offsets supplied');
  if (total > special - pageLower(page)) throw new Corrupt(`corrupted item lengths: total ${total}`);
  setPageLower(page, PAGE_HEADER_SIZE + count * LINE_POINTER_SIZE);
  compactTuples(page, { count, sorted });
  writePointers(page, count);
}

/** Puts another item in an item's place, moving the data below it (PageIndexTupleOverwrite). @throws Corrupt without room */
export function overwriteIndexTuple(page: Uint8Array, offsetNumber: number, item: Piece): void {
  const pointer = checkedItem(page, offsetNumber);
  const offset = itemOffset(pointer);
  const upper = pageUpper(page);
  const oldSize = maxAlign(itemLength(pointer));
  const newSize = maxAlign(item.length);
  if (newSize > oldSize + (upper - pageLower(page)))
    throw new Corrupt(`no room to replace item ${offsetNumber} by ${item.length} bytes`);
  const shift = oldSize - newSize;
  if (shift !== 0) {
    page.copyWithin(upper + shift, upper, offset);
    setPageUpper(page, upper + shift);
    shiftItems(page, { upTo: offset, by: shift });
  }
  setLinePointer(page, offsetNumber, (offset + shift) | (itemState(pointer) << 15) | (item.length << 17));
  copyPiece(page, offset + shift, item);
}

function checkedItem(page: Uint8Array, offsetNumber: number): number {
  checkHeader(page);
  const pointer = storedItem(page, offsetNumber);
  checkItemPlace(pointer, { upper: pageUpper(page), special: pageSpecial(page) });
  return pointer;
}

function checkItemPlace(pointer: number, { upper, special }: { upper: number; special: number }): void {
  const offset = itemOffset(pointer);
  const length = itemLength(pointer);
  if (offset < upper || offset + length > special || offset !== maxAlign(offset))
    throw new Corrupt(`corrupted line pointer: offset = ${offset}, size = ${length}`);
}

/** Moves the data below a removed item up against what lies above it. */
function closeGap(page: Uint8Array, removed: number): void {
  const upper = pageUpper(page);
  const offset = itemOffset(removed);
  const size = maxAlign(itemLength(removed));
  page.copyWithin(upper + size, upper, offset);
  setPageUpper(page, upper + size);
  if (!pageIsEmpty(page)) shiftItems(page, { upTo: offset, by: size });
}

function shiftItems(page: Uint8Array, { upTo, by }: { upTo: number; by: number }): void {
  const lineCount = readPointers(page);
  for (let index = 0; index < lineCount; index++) {
    const pointer = pointers[index] as number;
    if (itemHasStorage(pointer) && itemOffset(pointer) <= upTo)
      pointers[index] = withItemOffset(pointer, itemOffset(pointer) + by);
  }
  writePointers(page, lineCount);
}
