/**
 * The header every Postgres page begins with (storage/bufpage.h), read and written in place.
 *
 *   P1  A page is 8192 bytes. One whose pd_upper is 0 was never initialized: it is new, and reads as all zeros.
 *   P2  Nothing here checks a header; `checkHeader` does, and whatever moves bytes by these fields calls it first.
 *
 *      0 pd_lsn (high word, low word)   8 pd_checksum  10 pd_flags  12 pd_lower  14 pd_upper
 *     16 pd_special  18 pd_pagesize_version  20 pd_prune_xid  24 line pointers …
 */
import { Corrupt, type Lsn } from '@neon/kernel';
import { maxAlign, readU16, readU32, writeU16, writeU32 } from './little-endian';

export const PAGE_SIZE = 8192;
/** SizeOfPageHeaderData; MAXALIGN leaves it as it is, so page contents without line pointers begin here too. */
export const PAGE_HEADER_SIZE = 24;
export const INVALID_BLOCK = 0xffff_ffff;

const PAGE_LAYOUT_VERSION = 4;
const WORD = 0x1_0000_0000;

const AT = {
  lsn: 0,
  checksum: 8,
  flags: 10,
  lower: 12,
  upper: 14,
  special: 16,
  sizeVersion: 18,
  pruneXid: 20,
} as const;

/** pd_flags. */
export const PageFlag = { HAS_FREE_LINES: 1, PAGE_FULL: 2, ALL_VISIBLE: 4 } as const;
/** PD_VALID_FLAG_BITS. */
export const VALID_PAGE_FLAGS = 7;

export const pageLsn = (page: Uint8Array): Lsn =>
  // An LSN beyond 2^53 cannot occur in WAL we accepted, and a page only ever carries such an LSN.
  (readU32(page, AT.lsn) * WORD + readU32(page, AT.lsn + 4)) as Lsn;

export function setPageLsn(page: Uint8Array, lsn: Lsn): void {
  writeU32(page, AT.lsn, Math.floor(lsn / WORD));
  // The low 32 bits, which writing takes by itself: a remainder of numbers that large is a call of its own.
  writeU32(page, AT.lsn + 4, lsn);
}

export const pageChecksum = (page: Uint8Array): number => readU16(page, AT.checksum);
export const setPageChecksum = (page: Uint8Array, value: number): void => writeU16(page, AT.checksum, value);

export const pageFlags = (page: Uint8Array): number => readU16(page, AT.flags);
export const setPageFlags = (page: Uint8Array, flags: number): void =>
  writeU16(page, AT.flags, readU16(page, AT.flags) | flags);
export const clearPageFlags = (page: Uint8Array, flags: number): void =>
  writeU16(page, AT.flags, readU16(page, AT.flags) & ~flags);

export const pageLower = (page: Uint8Array): number => readU16(page, AT.lower);
export const setPageLower = (page: Uint8Array, value: number): void => writeU16(page, AT.lower, value);
export const pageUpper = (page: Uint8Array): number => readU16(page, AT.upper);
export const setPageUpper = (page: Uint8Array, value: number): void => writeU16(page, AT.upper, value);
export const pageSpecial = (page: Uint8Array): number => readU16(page, AT.special);

export const pagePruneXid = (page: Uint8Array): number => readU32(page, AT.pruneXid);
export const setPagePruneXid = (page: Uint8Array, xid: number): void => writeU32(page, AT.pruneXid, xid);

/** PageIsNew. */
export const pageIsNew = (page: Uint8Array): boolean => readU16(page, AT.upper) === 0;

/** PageIsEmpty: no line pointer, as far as pd_lower tells. */
export const pageIsEmpty = (page: Uint8Array): boolean => readU16(page, AT.lower) <= PAGE_HEADER_SIZE;

/** PageInit: an empty page, with room for `specialSize` bytes of an access method at its end. */
export function initPage(page: Uint8Array, specialSize = 0): void {
  page.fill(0);
  const special = PAGE_SIZE - maxAlign(specialSize);
  writeU16(page, AT.lower, PAGE_HEADER_SIZE);
  writeU16(page, AT.upper, special);
  writeU16(page, AT.special, special);
  writeU16(page, AT.sizeVersion, PAGE_SIZE | PAGE_LAYOUT_VERSION);
}

/** @throws Corrupt when the header could not be that of a page with items. */
export function checkHeader(page: Uint8Array): void {
  const lower = pageLower(page);
  const upper = pageUpper(page);
  const special = pageSpecial(page);
  const ordered = lower >= PAGE_HEADER_SIZE && lower <= upper && upper <= special && special <= PAGE_SIZE;
  if (!ordered || special !== maxAlign(special))
    throw new Corrupt(`corrupted page pointers: lower = ${lower}, upper = ${upper}, special = ${special}`);
}

/** Whether Postgres would accept the page when reading it from disk (PageIsVerified), leaving checksums aside. */
export function pageIsSane(page: Uint8Array): boolean {
  if (pageIsNew(page)) return page.every((byte) => byte === 0);
  const special = pageSpecial(page);
  return (
    (pageFlags(page) & ~VALID_PAGE_FLAGS) === 0 &&
    pageLower(page) <= pageUpper(page) &&
    pageUpper(page) <= special &&
    special <= PAGE_SIZE &&
    special === maxAlign(special)
  );
}
