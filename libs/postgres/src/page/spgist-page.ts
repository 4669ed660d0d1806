/**
 * SP-GiST pages and tuples (access/spgist_private.h).
 *
 *     special space: 0 flags  2 redirect count  4 placeholder count  6 page id
 *     leaf and dead tuples: 0 state (2 bits), size (30)  4 next offset number (14 bits)  6 tuple id  12 xid (dead ones)
 *     inner tuples: 0 state (2), all the same (1), node count (13), prefix size (16)  4 size  8 prefix, nodes
 */
import { Corrupt } from '@neon/kernel';
import { addItem, type Piece } from './bufpage';
import { deleteIndexTuple, deleteIndexTuples } from './index-page';
import { checkedTupleSize } from './index-tuple';
import { writeItemPointer, type ItemPointer } from './item-pointer';
import { itemAt, itemLength, itemOffset, linePointerCount, storedItem } from './line-pointer';
import { readU16, readU32, writeU16, writeU32 } from './little-endian';
import { INVALID_BLOCK, initPage, pageSpecial } from './page-header';

const SPECIAL_SIZE = 8;
const AT = { flags: 0, redirects: 2, placeholders: 4, pageId: 6 } as const;
const PAGE_ID = 0xff82;

export const SpgistFlag = { LEAF: 4, NULLS: 8 } as const;
export const TupleState = { LIVE: 0, REDIRECT: 1, DEAD: 2, PLACEHOLDER: 3 } as const;
type TupleState = (typeof TupleState)[keyof typeof TupleState];

const NO_TUPLE: ItemPointer = { block: INVALID_BLOCK, offsetNumber: 0 };

export function initSpgistPage(page: Uint8Array, flags: number): void {
  initPage(page, SPECIAL_SIZE);
  writeU16(page, pageSpecial(page) + AT.flags, flags);
  writeU16(page, pageSpecial(page) + AT.pageId, PAGE_ID);
}

function adjust(page: Uint8Array, field: number, by: number): void {
  const at = pageSpecial(page) + field;
  const value = readU16(page, at) + by;
  if (value < 0) throw new Corrupt('fewer SP-GiST dead tuples than counted');
  writeU16(page, at, value);
}
export const adjustRedirects = (page: Uint8Array, by: number): void => adjust(page, AT.redirects, by);
export const adjustPlaceholders = (page: Uint8Array, by: number): void => adjust(page, AT.placeholders, by);

const tupleState = (bytes: Uint8Array, at: number): number => readU32(bytes, at) & 3;

const LEAF_HEADER_SIZE = 12;
const INNER_HEADER_SIZE = 8;

/** The leaf tuple at `at`, which must end before `end`. */
export function leafTuple(bytes: Uint8Array, at: number, end: number): Piece {
  const length = at + LEAF_HEADER_SIZE <= end ? readU32(bytes, at) >>> 2 : 0;
  if (length < LEAF_HEADER_SIZE || at + length > end) throw new Corrupt('an SP-GiST leaf tuple does not fit');
  return { bytes, offset: at, length };
}

/** The inner tuple at `at`, which must end before `end`. */
export function innerTuple(bytes: Uint8Array, at: number, end: number): Piece {
  const length = at + INNER_HEADER_SIZE <= end ? readU16(bytes, at + 4) : 0;
  if (length < INNER_HEADER_SIZE || at + length > end) throw new Corrupt('an SP-GiST inner tuple does not fit');
  return { bytes, offset: at, length };
}

/** SGLT_SET_NEXTOFFSET: the next tuple of a leaf chain. */
export function setNextOffset(page: Uint8Array, offsetNumber: number, next: number): void {
  const at = itemAt(page, offsetNumber) + 4;
  writeU16(page, at, (readU16(page, at) & 0xc000) | (next & 0x3fff));
}

/** Where node `index` of an inner tuple leads (spgUpdateNodeLink). */
export function setNodeLink(page: Uint8Array, offsetNumber: number, { node, target }: NodeLink): void {
  const pointer = storedItem(page, offsetNumber);
  const at = itemOffset(pointer);
  const end = at + itemLength(pointer);
  const header = readU32(page, at);
  if (node >= ((header >>> 3) & 0x1fff)) throw new Corrupt(`an SP-GiST inner tuple lacks node ${node}`);
  let nodeAt = at + INNER_HEADER_SIZE + (header >>> 16);
  for (let index = 0; index < node; index++) nodeAt += checkedTupleSize(page, nodeAt, end);
  checkedTupleSize(page, nodeAt, end);
  writeItemPointer(page, nodeAt, target);
}

export interface NodeLink {
  readonly node: number;
  readonly target: ItemPointer;
}

/** Adds a tuple, perhaps in place of a placeholder (addOrReplaceTuple). */
export function addOrReplaceTuple(page: Uint8Array, tuple: Piece, offsetNumber: number): void {
  if (offsetNumber <= linePointerCount(page)) {
    if (tupleState(page, itemAt(page, offsetNumber)) !== TupleState.PLACEHOLDER)
      throw new Corrupt(`SP-GiST tuple ${offsetNumber} to be replaced is not a placeholder`);
    adjustPlaceholders(page, -1);
    deleteIndexTuple(page, offsetNumber);
  }
  addItem(page, tuple, offsetNumber);
}

/** Puts another tuple in a tuple's place. */
export function replaceTuple(page: Uint8Array, tuple: Piece, offsetNumber: number): void {
  deleteIndexTuple(page, offsetNumber);
  addItem(page, tuple, offsetNumber);
}

/** What is left behind in place of a tuple: for a redirect, where it went and when that may be forgotten. */
export interface Remains {
  readonly state: TupleState;
  readonly target: ItemPointer;
  readonly redirectXid: number;
}

export const remains = (state: TupleState): Remains => ({ state, target: NO_TUPLE, redirectXid: 0 });

const DEAD_TUPLE_SIZE = 16;

/** spgFormDeadTuple. */
export function deadTuple({ state, target, redirectXid }: Remains): Piece {
  const bytes = new Uint8Array(DEAD_TUPLE_SIZE);
  const isRedirect = state === TupleState.REDIRECT;
  writeU32(bytes, 0, state | (DEAD_TUPLE_SIZE << 2));
  writeItemPointer(bytes, 6, isRedirect ? target : NO_TUPLE);
  writeU32(bytes, 12, isRedirect ? redirectXid : 0);
  return { bytes, offset: 0, length: DEAD_TUPLE_SIZE };
}

export function countRemains(page: Uint8Array, { state }: Remains): void {
  if (state === TupleState.REDIRECT) adjustRedirects(page, 1);
  if (state === TupleState.PLACEHOLDER) adjustPlaceholders(page, 1);
}

/** Replaces tuples, given in any order, by what remains: of the first one given, and of the others (spgPageIndexMultiDelete). */
export function replaceByRemains(
  page: Uint8Array,
  offsetNumbers: Uint16Array,
  { first, others }: { first: Remains; others: Remains },
): void {
  if (offsetNumbers.length === 0) return;
  const sorted = offsetNumbers.slice().sort();
  deleteIndexTuples(page, sorted);
  for (const offsetNumber of sorted) {
    const left = offsetNumber === offsetNumbers[0] ? first : others;
    addItem(page, deadTuple(left), offsetNumber);
    countRemains(page, left);
  }
}

/** A redirect whose target no scan needs any more becomes a placeholder. */
export function forgetRedirect(page: Uint8Array, offsetNumber: number): void {
  const pointer = storedItem(page, offsetNumber);
  const at = itemOffset(pointer);
  if (tupleState(page, at) !== TupleState.REDIRECT || itemLength(pointer) < DEAD_TUPLE_SIZE)
    throw new Corrupt(`SP-GiST tuple ${offsetNumber} is no redirect`);
  writeU32(page, at, (readU32(page, at) & ~3) | TupleState.PLACEHOLDER);
  writeItemPointer(page, at + 6, NO_TUPLE);
}
