/**
 * Line pointers (storage/itemid.h): where the items of a page are. One is a 32-bit number here, as it is on the page:
 * 15 bits of offset, 2 of state, 15 of length. Offset numbers count from 1.
 */
import { Corrupt } from '@neon/kernel';
import { readU32, writeU32 } from './little-endian';
import { PAGE_HEADER_SIZE, pageLower, pageSpecial, pageUpper } from './page-header';

export const LINE_POINTER_SIZE = 4;
export const FIRST_OFFSET_NUMBER = 1;
export const INVALID_OFFSET_NUMBER = 0;

/** lp_flags. */
export const ItemState = { UNUSED: 0, NORMAL: 1, REDIRECT: 2, DEAD: 3 } as const;

const pack = (offset: number, state: number, length: number): number => offset | (state << 15) | (length << 17);

export const UNUSED_POINTER = pack(0, ItemState.UNUSED, 0);
export const DEAD_POINTER = pack(0, ItemState.DEAD, 0);
export const normalPointer = (offset: number, length: number): number => pack(offset, ItemState.NORMAL, length);
export const redirectPointer = (target: number): number => pack(target, ItemState.REDIRECT, 0);

export const itemOffset = (pointer: number): number => pointer & 0x7fff;
export const itemState = (pointer: number): number => (pointer >>> 15) & 3;
export const itemLength = (pointer: number): number => pointer >>> 17;
export const itemIsUsed = (pointer: number): boolean => (pointer & 0x1_8000) !== 0;
export const itemHasStorage = (pointer: number): boolean => pointer >>> 17 !== 0;

/** The same pointer to data that moved. */
export const withItemOffset = (pointer: number, offset: number): number => (pointer & ~0x7fff) | offset;

export const linePointerAt = (offsetNumber: number): number =>
  PAGE_HEADER_SIZE + (offsetNumber - 1) * LINE_POINTER_SIZE;

export const linePointer = (page: Uint8Array, offsetNumber: number): number =>
  readU32(page, linePointerAt(offsetNumber));

export const setLinePointer = (page: Uint8Array, offsetNumber: number, pointer: number): void =>
  writeU32(page, linePointerAt(offsetNumber), pointer);

/** PageGetMaxOffsetNumber: how many line pointers the page has. */
export function linePointerCount(page: Uint8Array): number {
  const lower = pageLower(page);
  return lower <= PAGE_HEADER_SIZE ? 0 : (lower - PAGE_HEADER_SIZE) >>> 2;
}

/** No access method stores less: heap tuples, index tuples, summaries are all at least this long. */
const ITEM_SIZE_MIN = 8;

/** The pointer of an item that must be there, with storage between the page's bounds. @throws Corrupt otherwise. */
export function storedItem(page: Uint8Array, offsetNumber: number): number {
  if (offsetNumber < FIRST_OFFSET_NUMBER || offsetNumber > linePointerCount(page))
    throw new Corrupt(`invalid offset number ${offsetNumber}: the page has ${linePointerCount(page)} line pointers`);
  const pointer = linePointer(page, offsetNumber);
  if (!itemHasStorage(pointer)) throw new Corrupt(`item ${offsetNumber} has no storage`);
  const offset = itemOffset(pointer);
  const length = itemLength(pointer);
  if (length < ITEM_SIZE_MIN || offset < pageUpper(page) || offset + length > pageSpecial(page))
    throw new Corrupt(`corrupted line pointer ${offsetNumber}: offset = ${offset}, size = ${length}`);
  return pointer;
}

/** Where an item that must be there begins on the page. */
export const itemAt = (page: Uint8Array, offsetNumber: number): number => itemOffset(storedItem(page, offsetNumber));
