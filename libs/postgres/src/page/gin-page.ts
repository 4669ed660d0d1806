/**
 * GIN pages (access/ginblock.h). Special space: 0 rightlink  4 maxoff  6 flags.
 *
 * Posting tree pages are laid out without line pointers: after the header a right bound (padded to eight bytes), then
 * child pointers, or compressed posting lists on leaves.
 */
import { Corrupt } from '@neon/kernel';
import { ITEM_POINTER_SIZE } from './item-pointer';
import { maxAlign, readU16, writeU16, writeU32 } from './little-endian';
import { INVALID_BLOCK, PAGE_HEADER_SIZE, initPage, pageLower, pageSpecial, setPageLower } from './page-header';

const SPECIAL_SIZE = 8;
const AT = { rightLink: 0, maxOffset: 4, flags: 6 } as const;

export const GinFlag = {
  DATA: 0x01,
  LEAF: 0x02,
  DELETED: 0x04,
  META: 0x08,
  LIST: 0x10,
  LIST_FULLROW: 0x20,
  INCOMPLETE_SPLIT: 0x40,
  COMPRESSED: 0x80,
} as const;

export const ginFlags = (page: Uint8Array): number => readU16(page, pageSpecial(page) + AT.flags);
export const setGinFlags = (page: Uint8Array, flags: number): void =>
  writeU16(page, pageSpecial(page) + AT.flags, flags);
export const ginMaxOffset = (page: Uint8Array): number => readU16(page, pageSpecial(page) + AT.maxOffset);
export const setGinMaxOffset = (page: Uint8Array, value: number): void =>
  writeU16(page, pageSpecial(page) + AT.maxOffset, value);
export const setGinRightLink = (page: Uint8Array, block: number): void =>
  writeU32(page, pageSpecial(page) + AT.rightLink, block);

export function initGinPage(page: Uint8Array, flags: number): void {
  initPage(page, SPECIAL_SIZE);
  setGinRightLink(page, INVALID_BLOCK);
  setGinFlags(page, flags);
}

/** sizeof(GinMetaPageData). */
export const GIN_META_SIZE = 56;

/** A metapage with this content, as the record has it. */
export function initGinMeta(page: Uint8Array, meta: Uint8Array): void {
  initGinPage(page, GinFlag.META);
  page.set(meta, PAGE_HEADER_SIZE);
  setPageLower(page, PAGE_HEADER_SIZE + GIN_META_SIZE);
}

/** Where a posting tree page's data begins, behind the right bound. */
export const GIN_DATA_AT = PAGE_HEADER_SIZE + maxAlign(ITEM_POINTER_SIZE);

export const ginDataSize = (page: Uint8Array): number => pageLower(page) - GIN_DATA_AT;

export function setGinDataSize(page: Uint8Array, size: number): void {
  if (size < 0 || GIN_DATA_AT + size > pageSpecial(page)) throw new Corrupt(`${size} bytes of data on a GIN page`);
  setPageLower(page, GIN_DATA_AT + size);
}

/** A child of a posting tree page: its block number (as in a tuple id), then the greatest tuple id below it. */
export const POSTING_ITEM_SIZE = 10;

export function postingItemAt(page: Uint8Array, offsetNumber: number): number {
  const at = GIN_DATA_AT + (offsetNumber - 1) * POSTING_ITEM_SIZE;
  if (offsetNumber < 1 || at + POSTING_ITEM_SIZE > pageSpecial(page))
    throw new Corrupt(`posting item ${offsetNumber} is not on the page`);
  return at;
}

/** Inserts a child, moving those behind it (GinDataPageAddPostingItem). */
export function addPostingItem(page: Uint8Array, offsetNumber: number, item: Uint8Array): void {
  const count = ginMaxOffset(page);
  const at = postingItemAt(page, offsetNumber);
  if (offsetNumber > count + 1) throw new Corrupt(`posting item ${offsetNumber} behind ${count}`);
  setPostingItemCount(page, count + 1);
  page.copyWithin(at + POSTING_ITEM_SIZE, at, GIN_DATA_AT + count * POSTING_ITEM_SIZE);
  page.set(item, at);
}

export function deletePostingItem(page: Uint8Array, offsetNumber: number): void {
  const count = ginMaxOffset(page);
  const at = postingItemAt(page, offsetNumber);
  const end = GIN_DATA_AT + count * POSTING_ITEM_SIZE;
  if (offsetNumber > count || end > pageSpecial(page)) throw new Corrupt(`posting item ${offsetNumber} of ${count}`);
  page.copyWithin(at, at + POSTING_ITEM_SIZE, end);
  setPostingItemCount(page, count - 1);
}

function setPostingItemCount(page: Uint8Array, count: number): void {
  setGinMaxOffset(page, count);
  setGinDataSize(page, count * POSTING_ITEM_SIZE);
}
