/**
 * What a page is, told by the resource manager that logged it or by the page itself.
 */
import { PAGE_SIZE, pageIsNew, pageSpecial } from './page-header';
import { readU16, readU32 } from './little-endian';

export type PageKind =
  'heap' | 'visibility-map' | 'btree' | 'hash' | 'gin' | 'gist' | 'spgist' | 'brin' | 'sequence' | 'generic';

const KIND_OF_RMGR: Readonly<Record<number, PageKind>> = {
  9: 'heap',
  10: 'heap',
  11: 'btree',
  12: 'hash',
  13: 'gin',
  14: 'gist',
  15: 'sequence',
  16: 'spgist',
  17: 'brin',
  20: 'generic',
};

/** The kind of a main-fork page that a resource manager logs; undefined when it has no pages of its own. */
export const pageKindOfRmgr = (rmid: number): PageKind | undefined => KIND_OF_RMGR[rmid];

const SEQUENCE_MAGIC = 0x1717;
const GIN_FLAGS_MAX = 0xff;
const BTREE_CYCLE_ID_MAX = 0xff7f;

/**
 * The kind of a main-fork page by its special space, whose last two bytes are a page id in all access methods but GIN
 * (there: flags) and B-tree (a cycle id that stays below the ids). Pages of extensions are 'generic'.
 */
export function pageKindOf(page: Uint8Array, block: number): PageKind {
  if (pageIsNew(page)) return 'generic';
  const special = pageSpecial(page);
  const pageId = readU16(page, PAGE_SIZE - 2);
  switch (PAGE_SIZE - special) {
    case 0:
      return 'heap';
    case 16:
      if (pageId === 0xff80) return 'hash';
      if (pageId === 0xff81) return 'gist';
      return pageId <= BTREE_CYCLE_ID_MAX ? 'btree' : 'generic';
    case 8:
      if (block === 0 && readU32(page, special) === SEQUENCE_MAGIC && pageId === 0) return 'sequence';
      if (pageId === 0xff82) return 'spgist';
      if (pageId >= 0xf091 && pageId <= 0xf093) return 'brin';
      return pageId <= GIN_FLAGS_MAX ? 'gin' : 'generic';
    default:
      return 'generic';
  }
}
