/**
 * GiST pages (access/gist.h). Special space: 0 NSN (as an LSN)  8 rightlink  12 flags  14 page id.
 */
import type { Lsn } from '@neon/kernel';
import { readU16, readU32, writeU16, writeU32 } from './little-endian';
import { INVALID_BLOCK, PAGE_HEADER_SIZE, initPage, pageSpecial, setPageLower } from './page-header';

const SPECIAL_SIZE = 16;
const AT = { nsn: 0, rightLink: 8, flags: 12, pageId: 14 } as const;
const PAGE_ID = 0xff81;
const WORD = 0x1_0000_0000;

export const GIST_ROOT_BLOCK = 0;

export const GistFlag = { LEAF: 1, DELETED: 2, TUPLES_DELETED: 4, FOLLOW_RIGHT: 8, HAS_GARBAGE: 16 } as const;

export const gistFlags = (page: Uint8Array): number => readU16(page, pageSpecial(page) + AT.flags);
export const setGistFlags = (page: Uint8Array, flags: number): void =>
  writeU16(page, pageSpecial(page) + AT.flags, flags);
export const setGistRightLink = (page: Uint8Array, block: number): void =>
  writeU32(page, pageSpecial(page) + AT.rightLink, block);

/** The node sequence number tells a scan whether a page was split after its parent was read. */
export function setGistNsn(page: Uint8Array, nsn: Lsn | 0): void {
  writeU32(page, pageSpecial(page) + AT.nsn, Math.floor(nsn / WORD));
  writeU32(page, pageSpecial(page) + AT.nsn + 4, nsn % WORD);
}

export function gistNsn(page: Uint8Array): number {
  const at = pageSpecial(page) + AT.nsn;
  return readU32(page, at) * WORD + readU32(page, at + 4);
}

export function initGistPage(page: Uint8Array, flags: number): void {
  initPage(page, SPECIAL_SIZE);
  setGistRightLink(page, INVALID_BLOCK);
  setGistFlags(page, flags);
  writeU16(page, pageSpecial(page) + AT.pageId, PAGE_ID);
}

/** GistPageSetDeleted: keeps the full xid (8 bytes of a record) after which the page may be reused. */
export function setGistDeleted(page: Uint8Array, deleteXid: Uint8Array): void {
  setGistFlags(page, gistFlags(page) | GistFlag.DELETED);
  page.set(deleteXid, PAGE_HEADER_SIZE);
  setPageLower(page, PAGE_HEADER_SIZE + deleteXid.length);
}
