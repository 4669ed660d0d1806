/**
 * What may differ between a page as Postgres has it and the same page replayed from WAL, set to zero: the mask functions
 * of each access method (access/common/bufmask.c, heap_mask, btree_mask, …), which Postgres' own consistency check uses.
 *
 *   M1  Two pages of one kind are equal in all that WAL promises if and only if their masked forms are equal byte for byte.
 *   M2  Two bits are masked beyond what Postgres masks, whose own check fails on them: recovery marks a GiST page whose dead
 *       tuples are gone and the primary does not (Gist/DELETE); recovery clears HEAP_COMBOCID of a tuple that is locked and the
 *       primary does not, which shows once the tuple's xmin is frozen. Nothing reads the one, nor the other by then.
 *   M3  The visibility map has no mask of its own in Postgres, which checks it as a heap page and so hides all of it; here
 *       its bits are compared.
 */
import { Lsn } from '@neon/kernel';
import { BRIN_EVACUATE_PAGE, BrinPageType, brinPageType, clearBrinFlags } from './brin-page';
import { GinFlag, ginFlags } from './gin-page';
import { GistFlag, gistFlags, setGistFlags, setGistNsn } from './gist-page';
import { HashFlag, HASH_PAGE_TYPE, hashFlags, setHashFlags } from './hash-page';
import {
  Infomask,
  isTupleSpeculative,
  isXminFrozen,
  setTupleCid,
  setTupleInfomask,
  tupleCtidAt,
  tupleInfomask,
} from './heap-tuple';
import { writeItemPointer } from './item-pointer';
import {
  FIRST_OFFSET_NUMBER,
  ItemState,
  itemHasStorage,
  itemIsUsed,
  itemLength,
  itemOffset,
  itemState,
  linePointer,
  linePointerCount,
  setLinePointer,
} from './line-pointer';
import { maxAlign } from './little-endian';
import { BtreeFlag, btreeFlags, setBtreeCycleId, setBtreeFlags } from './nbtree-page';
import {
  PAGE_HEADER_SIZE,
  PAGE_SIZE,
  PageFlag,
  checkHeader,
  clearPageFlags,
  pageIsNew,
  pageLower,
  pageUpper,
  setPageChecksum,
  setPageLower,
  setPageLsn,
  setPagePruneXid,
  setPageUpper,
} from './page-header';
import type { PageKind } from './page-kind';

/** Masks in place. `block` is the page's own number, which a speculative tuple's ctid is replaced by. */
export function maskPage(page: Uint8Array, kind: PageKind, block: number): void {
  setPageLsn(page, Lsn.ZERO);
  setPageChecksum(page, 0);
  if (pageIsNew(page)) return;
  MASKS[kind](page, block);
}

type Mask = (page: Uint8Array, block: number) => void;

const MASKS: Readonly<Record<PageKind, Mask>> = {
  heap: maskHeap,
  'visibility-map': maskHints,
  btree: maskBtree,
  hash: maskHash,
  gin: maskGin,
  gist: maskGist,
  spgist: maskSpgist,
  brin: maskBrin,
  sequence: maskUnused,
  generic: maskUnused,
};

/** mask_page_hint_bits. */
function maskHints(page: Uint8Array): void {
  setPagePruneXid(page, 0);
  clearPageFlags(page, PageFlag.HAS_FREE_LINES | PageFlag.PAGE_FULL | PageFlag.ALL_VISIBLE);
}

/** mask_unused_space. */
function maskUnused(page: Uint8Array): void {
  checkHeader(page);
  page.fill(0, pageLower(page), pageUpper(page));
}

/** mask_lp_flags: scans mark index items dead without telling WAL. */
function maskItemStates(page: Uint8Array): void {
  for (let number = FIRST_OFFSET_NUMBER; number <= linePointerCount(page); number++) {
    const pointer = linePointer(page, number);
    if (itemIsUsed(pointer)) setLinePointer(page, number, pointer & ~(3 << 15));
  }
}

/** mask_page_content: all but the header, and of the header its bounds. */
function maskContent(page: Uint8Array): void {
  page.fill(0, PAGE_HEADER_SIZE, PAGE_SIZE);
  setPageLower(page, 0);
  setPageUpper(page, 0);
}

function maskHeap(page: Uint8Array, block: number): void {
  maskHints(page);
  maskUnused(page);
  for (let number = FIRST_OFFSET_NUMBER; number <= linePointerCount(page); number++) {
    const pointer = linePointer(page, number);
    if (itemState(pointer) === ItemState.NORMAL) maskTuple(page, itemOffset(pointer), { block, offsetNumber: number });
    if (!itemHasStorage(pointer)) continue;
    const end = itemOffset(pointer) + itemLength(pointer);
    page.fill(0, end, itemOffset(pointer) + maxAlign(itemLength(pointer)));
  }
}

const HIDDEN_OF_FROZEN = Infomask.XMAX_INVALID | Infomask.XMAX_COMMITTED | Infomask.COMBOCID;

function maskTuple(page: Uint8Array, tuple: number, self: { block: number; offsetNumber: number }): void {
  const infomask = tupleInfomask(page, tuple);
  const hidden = isXminFrozen(infomask) ? HIDDEN_OF_FROZEN : Infomask.TRANSACTION;
  setTupleInfomask(page, tuple, infomask & ~hidden);
  setTupleCid(page, tuple, 0);
  if (isTupleSpeculative(page, tuple)) writeItemPointer(page, tupleCtidAt(tuple), self);
}

function maskBtree(page: Uint8Array): void {
  maskHints(page);
  maskUnused(page);
  const flags = btreeFlags(page);
  if (flags & BtreeFlag.LEAF) maskItemStates(page);
  setBtreeFlags(page, flags & ~(BtreeFlag.HAS_GARBAGE | BtreeFlag.SPLIT_END));
  setBtreeCycleId(page, 0);
}

function maskHash(page: Uint8Array): void {
  maskHints(page);
  maskUnused(page);
  const flags = hashFlags(page);
  const type = flags & HASH_PAGE_TYPE;
  if (type === HashFlag.UNUSED) return maskContent(page);
  if (type === HashFlag.BUCKET || type === HashFlag.OVERFLOW) maskItemStates(page);
  setHashFlags(page, flags & ~HashFlag.HAS_DEAD_TUPLES);
}

function maskGin(page: Uint8Array): void {
  maskHints(page);
  if (ginFlags(page) & GinFlag.DELETED) maskContent(page);
  else if (pageLower(page) > PAGE_HEADER_SIZE) maskUnused(page);
}

function maskGist(page: Uint8Array): void {
  maskHints(page);
  maskUnused(page);
  setGistNsn(page, 0);
  const flags = gistFlags(page);
  if (flags & GistFlag.LEAF) maskItemStates(page);
  setGistFlags(page, flags & ~(GistFlag.HAS_GARBAGE | GistFlag.FOLLOW_RIGHT | GistFlag.TUPLES_DELETED));
}

function maskSpgist(page: Uint8Array): void {
  maskHints(page);
  if (pageLower(page) >= PAGE_HEADER_SIZE) maskUnused(page);
}

function maskBrin(page: Uint8Array): void {
  maskHints(page);
  const type = brinPageType(page);
  if (type === BrinPageType.REGULAR || (type === BrinPageType.META && pageLower(page) > PAGE_HEADER_SIZE))
    maskUnused(page);
  clearBrinFlags(page, BRIN_EVACUATE_PAGE);
}
