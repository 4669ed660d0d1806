/**
 * Items of a page: adding, and everything heap pruning does to the space between them (storage/page/bufpage.c).
 *
 *   B1  The bytes of a page after each function are those Postgres' function leaves: the order in which items lie, and
 *       what stays behind in freed space, included.
 *   B2  A page whose header or line pointers make no sense throws `Corrupt` before a byte of it is moved.
 */
import { Corrupt } from '@neon/kernel';
import { compactTuples, kept } from './compaction';
import {
  FIRST_OFFSET_NUMBER,
  INVALID_OFFSET_NUMBER,
  LINE_POINTER_SIZE,
  UNUSED_POINTER,
  itemHasStorage,
  itemIsUsed,
  itemLength,
  itemOffset,
  linePointer,
  linePointerAt,
  linePointerCount,
  normalPointer,
  setLinePointer,
} from './line-pointer';
import { maxAlign } from './little-endian';
import {
  PageFlag,
  checkHeader,
  clearPageFlags,
  pageFlags,
  pageLower,
  pageSpecial,
  pageUpper,
  setPageFlags,
  setPageLower,
  setPageUpper,
} from './page-header';
import { pointers, readPointers, writePointers } from './pointer-array';

/** A piece of another byte string, to be copied onto a page. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

export const pieceOf = (bytes: Uint8Array): Piece => ({ bytes, offset: 0, length: bytes.length });

/** A page's room for line pointers of tuples, each with at least a header (MaxHeapTuplesPerPage). */
const HEAP_TUPLES_MAX = 291;

/**
 * Adds an item at `offsetNumber` (one past the last, or between items, which move up one).
 * @throws Corrupt when it does not fit: redo only ever adds what fitted before.
 */
export function addItem(page: Uint8Array, item: Piece, offsetNumber: number): void {
  checkHeader(page);
  const limit = linePointerCount(page) + 1;
  const shifted = limit - offsetNumber;
  if (offsetNumber < FIRST_OFFSET_NUMBER || shifted < 0)
    throw new Corrupt(`cannot add item ${offsetNumber} to a page of ${limit - 1} items`);
  const upper = reserve(page, item.length, LINE_POINTER_SIZE);
  if (shifted > 0) {
    const at = linePointerAt(offsetNumber);
    page.copyWithin(at + LINE_POINTER_SIZE, at, at + shifted * LINE_POINTER_SIZE);
  }
  setLinePointer(page, offsetNumber, normalPointer(upper, item.length));
  copyPiece(page, upper, item);
}

/** Adds an item at an unused line pointer, or at one past the last (PAI_OVERWRITE). @throws Corrupt when it does not fit. */
export function addItemInPlace(page: Uint8Array, item: Piece, offsetNumber: number): void {
  copyPiece(page, reserveItem(page, item.length, { offsetNumber }), item);
}

/**
 * Takes space for a heap tuple as `addItemInPlace` does for an item; returns where its bytes go, all of which the caller
 * writes.
 */
export function reserveHeapTuple(page: Uint8Array, length: number, place: ItemPlace): number {
  if (place.offsetNumber > HEAP_TUPLES_MAX)
    throw new Corrupt(`item ${place.offsetNumber} is beyond a heap page's ${HEAP_TUPLES_MAX}`);
  return reserveItem(page, length, place);
}

interface ItemPlace {
  readonly offsetNumber: number;
}

function reserveItem(page: Uint8Array, length: number, { offsetNumber }: ItemPlace): number {
  checkHeader(page);
  const limit = linePointerCount(page) + 1;
  if (offsetNumber < FIRST_OFFSET_NUMBER || offsetNumber > limit)
    throw new Corrupt(`cannot put item ${offsetNumber} on a page of ${limit - 1} items`);
  if (offsetNumber < limit) {
    const pointer = linePointer(page, offsetNumber);
    if (itemIsUsed(pointer) || itemHasStorage(pointer)) throw new Corrupt(`item ${offsetNumber} is in use`);
  }
  const upper = reserve(page, length, offsetNumber === limit ? LINE_POINTER_SIZE : 0);
  setLinePointer(page, offsetNumber, normalPointer(upper, length));
  return upper;
}

/** Takes space for an item and, perhaps, its line pointer; returns where the item goes. */
function reserve(page: Uint8Array, length: number, pointerSize: number): number {
  const lower = pageLower(page) + pointerSize;
  const upper = pageUpper(page) - maxAlign(length);
  if (lower > upper) throw new Corrupt(`no room for an item of ${length} bytes`);
  setPageLower(page, lower);
  setPageUpper(page, upper);
  return upper;
}

/** Up to here a loop takes less than the view that `set` needs. */
const LOOP_SIZE_MAX = 24;

/** @throws RangeError when the piece does not fit. */
export function copyPiece(target: Uint8Array, at: number, { bytes, offset, length }: Piece): void {
  const within =
    offset >= 0 && length >= 0 && offset + length <= bytes.length && at >= 0 && at + length <= target.length;
  if (!within) throw new RangeError(`a piece of ${length} bytes at ${offset} of ${bytes.length} does not fit at ${at}`);
  if (bytes === target) target.copyWithin(at, offset, offset + length);
  else if (length > LOOP_SIZE_MAX) target.set(bytes.subarray(offset, offset + length), at);
  else for (let i = 0; i < length; i++) target[at + i] = bytes[offset + i] as number;
}

/**
 * Closes the gaps between the tuples of a heap page, drops unused line pointers at the end of the array and keeps the
 * hint whether unused ones remain (PageRepairFragmentation).
 *
 * @param truncates Postgres 14 keeps the line pointer array as long as it is.
 */
export function repairFragmentation(page: Uint8Array, truncates = true): void {
  checkHeader(page);
  const lower = pageLower(page);
  const upper = pageUpper(page);
  const special = pageSpecial(page);
  const lineCount = readPointers(page);
  let count = 0;
  let total = 0;
  let unusedCount = 0;
  let lastUsed = INVALID_OFFSET_NUMBER;
  let sorted = true;
  let previous = special;
  for (let index = 0; index < lineCount; index++) {
    const pointer = pointers[index] as number;
    if (!itemIsUsed(pointer)) {
      pointers[index] = UNUSED_POINTER;
      unusedCount++;
      continue;
    }
    lastUsed = index + 1;
    if (!itemHasStorage(pointer)) continue;
    const offset = itemOffset(pointer);
    if (offset < upper || offset + maxAlign(itemLength(pointer)) > special)
      throw new Corrupt(`corrupted line pointer: ${offset}`);
    if (offset >= previous) sorted = false;
    else previous = offset;
    kept[count++] = index;
    total += maxAlign(itemLength(pointer));
  }
  if (total > special - lower) throw new Corrupt(`corrupted item lengths: total ${total}`);
  compactTuples(page, { count, sorted });
  writePointers(page, lineCount);
  if (truncates && lastUsed !== lineCount) {
    unusedCount -= lineCount - lastUsed;
    setPageLower(page, lower - (lineCount - lastUsed) * LINE_POINTER_SIZE);
  }
  setFreeLinesHint(page, unusedCount > 0);
}

/** Drops unused line pointers at the end of a heap page's array, down to one (PageTruncateLinePointerArray). */
export function truncateLinePointerArray(page: Uint8Array): void {
  const lineCount = linePointerCount(page);
  let last = lineCount;
  while (last > FIRST_OFFSET_NUMBER && !itemIsUsed(linePointer(page, last))) last--;
  let unusedRemain = false;
  for (let number = last; number >= FIRST_OFFSET_NUMBER && !unusedRemain; number--)
    unusedRemain = !itemIsUsed(linePointer(page, number));
  setPageLower(page, pageLower(page) - (lineCount - last) * LINE_POINTER_SIZE);
  setFreeLinesHint(page, unusedRemain);
}

function setFreeLinesHint(page: Uint8Array, hint: boolean): void {
  const set = (pageFlags(page) & PageFlag.HAS_FREE_LINES) !== 0;
  if (hint && !set) setPageFlags(page, PageFlag.HAS_FREE_LINES);
  if (!hint && set) clearPageFlags(page, PageFlag.HAS_FREE_LINES);
}
