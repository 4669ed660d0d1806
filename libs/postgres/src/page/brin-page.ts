/**
 * BRIN pages (access/brin_page.h): eight bytes of special space, of which the last two say what the page is and the two
 * before are flags; a metapage; revmap pages of tuple ids.
 */
import { Corrupt } from '@neon/kernel';
import { ITEM_POINTER_SIZE, writeItemPointer, type ItemPointer } from './item-pointer';
import { readU16, writeU16, writeU32 } from './little-endian';
import { PAGE_HEADER_SIZE, PAGE_SIZE, initPage, pageSpecial, setPageLower } from './page-header';

const SPECIAL_SIZE = 8;
const AT = { flags: 4, type: 6 } as const;

export const BrinPageType = { META: 0xf091, REVMAP: 0xf092, REGULAR: 0xf093 } as const;
export const BRIN_EVACUATE_PAGE = 1;

export const brinPageType = (page: Uint8Array): number => readU16(page, pageSpecial(page) + AT.type);

export function clearBrinFlags(page: Uint8Array, flags: number): void {
  const at = pageSpecial(page) + AT.flags;
  writeU16(page, at, readU16(page, at) & ~flags);
}

export function initBrinPage(page: Uint8Array, type: number): void {
  initPage(page, SPECIAL_SIZE);
  writeU16(page, pageSpecial(page) + AT.type, type);
}

const META_MAGIC = 0xa8109cfa;
const META_SIZE = 16;

/** BrinMetaPageData: magic, version, pages per range, last revmap page. */
export function initBrinMeta(page: Uint8Array, { version, pagesPerRange }: { version: number; pagesPerRange: number }) {
  initBrinPage(page, BrinPageType.META);
  [META_MAGIC, version, pagesPerRange, 0].forEach((word, index) => writeU32(page, PAGE_HEADER_SIZE + index * 4, word));
  setPageLower(page, PAGE_HEADER_SIZE + META_SIZE);
}

export function setLastRevmapPage(page: Uint8Array, block: number): void {
  writeU32(page, PAGE_HEADER_SIZE + 12, block);
  setPageLower(page, PAGE_HEADER_SIZE + META_SIZE);
}

const REVMAP_ITEMS = Math.floor((PAGE_SIZE - PAGE_HEADER_SIZE - SPECIAL_SIZE) / ITEM_POINTER_SIZE);

/** Sets where the summary of a heap range is (brinSetHeapBlockItemptr). */
export function setRevmapItem(
  page: Uint8Array,
  { heapBlock, pagesPerRange }: { heapBlock: number; pagesPerRange: number },
  tid: ItemPointer,
): void {
  if (pagesPerRange === 0) throw new Corrupt('a BRIN index with ranges of no pages');
  const index = Math.floor(heapBlock / pagesPerRange) % REVMAP_ITEMS;
  writeItemPointer(page, PAGE_HEADER_SIZE + index * ITEM_POINTER_SIZE, tid);
}
