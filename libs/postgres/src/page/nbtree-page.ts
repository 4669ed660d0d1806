/**
 * B-tree pages: the special space, the metapage, deleted pages (access/nbtree.h).
 *
 *     special space: 0 btpo_prev  4 btpo_next  8 btpo_level  12 btpo_flags  14 btpo_cycleid
 */
import { copyOf } from '@neon/kernel';
import { readU16, readU32, writeF64, writeU16, writeU32 } from './little-endian';
import { PAGE_HEADER_SIZE, initPage, pageSpecial, setPageLower, setPageUpper } from './page-header';

const SPECIAL_SIZE = 16;
const AT = { prev: 0, next: 4, level: 8, flags: 12, cycleId: 14 } as const;

/** btpo_flags. */
export const BtreeFlag = {
  LEAF: 0x01,
  ROOT: 0x02,
  DELETED: 0x04,
  META: 0x08,
  HALF_DEAD: 0x10,
  SPLIT_END: 0x20,
  HAS_GARBAGE: 0x40,
  INCOMPLETE_SPLIT: 0x80,
  HAS_FULLXID: 0x100,
} as const;

/** P_NONE: no sibling. */
export const NO_SIBLING = 0;
/** P_HIKEY. */
export const HIGH_KEY = 1;

export const btreePrevious = (page: Uint8Array): number => readU32(page, pageSpecial(page) + AT.prev);
export const setBtreePrevious = (page: Uint8Array, block: number): void =>
  writeU32(page, pageSpecial(page) + AT.prev, block);
export const btreeNext = (page: Uint8Array): number => readU32(page, pageSpecial(page) + AT.next);
export const setBtreeNext = (page: Uint8Array, block: number): void =>
  writeU32(page, pageSpecial(page) + AT.next, block);
export const btreeFlags = (page: Uint8Array): number => readU16(page, pageSpecial(page) + AT.flags);
export const setBtreeFlags = (page: Uint8Array, flags: number): void =>
  writeU16(page, pageSpecial(page) + AT.flags, flags);
export const setBtreeCycleId = (page: Uint8Array, cycleId: number): void =>
  writeU16(page, pageSpecial(page) + AT.cycleId, cycleId);

/** The first item that is data: behind the high key, which the rightmost page of a level lacks. */
export const firstDataKey = (page: Uint8Array): number => (btreeNext(page) === NO_SIBLING ? HIGH_KEY : HIGH_KEY + 1);

export interface BtreePlace {
  readonly previous: number;
  readonly next: number;
  readonly level: number;
  readonly flags: number;
}

export function initBtreePage(page: Uint8Array, { previous, next, level, flags }: BtreePlace): void {
  initPage(page, SPECIAL_SIZE);
  const special = pageSpecial(page);
  writeU32(page, special + AT.prev, previous);
  writeU32(page, special + AT.next, next);
  writeU32(page, special + AT.level, level);
  writeU16(page, special + AT.flags, flags);
}

/** Empties a page of everything but its special space (PageGetTempPageCopySpecial). */
export function clearBtreeItems(page: Uint8Array): void {
  const special = copyOf(page.subarray(pageSpecial(page)));
  initPage(page, special.length);
  page.set(special, pageSpecial(page));
}

/** BTPageSetDeleted: the page is gone once no snapshot older than `safeXid` (8 bytes of a record) remains. */
export function setBtreeDeleted(page: Uint8Array, safeXid: Uint8Array): void {
  setBtreeFlags(page, (btreeFlags(page) & ~BtreeFlag.HALF_DEAD) | BtreeFlag.DELETED | BtreeFlag.HAS_FULLXID);
  page.set(safeXid, PAGE_HEADER_SIZE);
  setPageLower(page, PAGE_HEADER_SIZE + safeXid.length);
  setPageUpper(page, pageSpecial(page));
}

export interface BtreeMeta {
  readonly version: number;
  readonly root: number;
  readonly level: number;
  readonly fastRoot: number;
  readonly fastLevel: number;
  readonly lastCleanupDeletedPages: number;
  readonly allEqualImage: boolean;
}

const META_MAGIC = 0x053162;
/** BTMetaPageData, padding included: seven words, a double at 32, a boolean at 40. */
const META_SIZE = 48;

/** A metapage (BTMetaPageData). Postgres no longer uses btm_last_cleanup_num_heap_tuples and keeps it at -1. */
export function initBtreeMeta(page: Uint8Array, meta: BtreeMeta): void {
  initBtreePage(page, { previous: NO_SIBLING, next: NO_SIBLING, level: 0, flags: BtreeFlag.META });
  const at = PAGE_HEADER_SIZE;
  const words = [
    META_MAGIC,
    meta.version,
    meta.root,
    meta.level,
    meta.fastRoot,
    meta.fastLevel,
    meta.lastCleanupDeletedPages,
  ];
  words.forEach((word, index) => writeU32(page, at + index * 4, word));
  writeF64(page, at + 32, -1);
  page[at + 40] = meta.allEqualImage ? 1 : 0;
  setPageLower(page, at + META_SIZE);
}
