/**
 * What Postgres' masks hide of a page, and redo must get right nevertheless.
 *
 *   H1  The page LSN. The image of a page was made before its record's LSN was put on it: it carries the LSN that the record
 *       before must have left, or zero where this record began by making the page anew. Before 17, building a GiST index by
 *       sorting left GIST_BUILD_LSN on pages that are logged whole.
 *   H2  PD_ALL_VISIBLE of a heap page, which the visibility map's bit stands for.
 *   H3  What a heap tuple's infomask says of its xmax: whether it is a multixact, and which lock it is. Hints and the mark of a
 *       combo command id are the server's own.
 *   H4  Of a deleted GIN page the xid from which on it may be used again; other pages have a hint in its place.
 *   H5  A GiST page's NSN and follow-right flag, once the record's redo is over: a server sets them after the image was made.
 */
import type { Lsn } from '@neon/kernel';
import { GinFlag, ginFlags } from './gin-page';
import { GistFlag, gistFlags, gistNsn } from './gist-page';
import { Infomask, tupleInfomask } from './heap-tuple';
import { FIRST_OFFSET_NUMBER, ItemState, itemOffset, itemState, linePointer, linePointerCount } from './line-pointer';
import { PageFlag, pageFlags, pageIsNew, pageLsn, pagePruneXid, pageSpecial } from './page-header';
import type { PageKind } from './page-kind';

/** Bytes of a page that differ. */
export interface Difference {
  readonly offset: number;
  readonly byteCount: number;
}

const GIST_BUILD_LSN = 1;
const LSN: Difference = { offset: 0, byteCount: 8 };
const FLAGS: Difference = { offset: 10, byteCount: 2 };
const PRUNE_XID: Difference = { offset: 20, byteCount: 4 };

export interface HiddenOf {
  readonly kind: PageKind;
  /** Which page LSN is right: of an image the one that the page had before the record, zero when there was none. */
  readonly lsns: readonly (Lsn | undefined)[];
}

/** H1 to H4, of an image and the redone page. */
export function imageHides(image: Uint8Array, redone: Uint8Array, { kind, lsns }: HiddenOf): Difference | null {
  const lsn = pageLsn(image);
  if (lsn !== 0 && !lsns.includes(lsn) && !isBuildLsn(lsn, kind)) return LSN;
  return isEmpty(image, redone) ? null : stateDifference(image, redone, kind);
}

/** H1 to H5, of a page in a server's file and the replayed one, whose own LSN is right too. */
export function fileHides(file: Uint8Array, replayed: Uint8Array, { kind, lsns }: HiddenOf): Difference | null {
  const lsn = pageLsn(file);
  if (lsn !== pageLsn(replayed) && !lsns.includes(lsn) && !isBuildLsn(lsn, kind)) return LSN;
  if (isEmpty(file, replayed)) return null;
  return stateDifference(file, replayed, kind) ?? (kind === 'gist' ? gistDifference(file, replayed) : null);
}

const isBuildLsn = (lsn: Lsn, kind: PageKind): boolean => kind === 'gist' && lsn === GIST_BUILD_LSN;
const isEmpty = (expected: Uint8Array, actual: Uint8Array): boolean => pageIsNew(expected) || pageIsNew(actual);

function stateDifference(expected: Uint8Array, actual: Uint8Array, kind: PageKind): Difference | null {
  if (kind === 'gin')
    return ginFlags(expected) & GinFlag.DELETED && pagePruneXid(expected) !== pagePruneXid(actual) ? PRUNE_XID : null;
  if (kind !== 'heap') return null;
  if ((pageFlags(expected) ^ pageFlags(actual)) & PageFlag.ALL_VISIBLE) return FLAGS;
  return xmaxDifference(expected, actual);
}

const XMAX_STATE =
  Infomask.XMAX_IS_MULTI | Infomask.XMAX_LOCK_ONLY | Infomask.XMAX_EXCL_LOCK | Infomask.XMAX_KEYSHR_LOCK;

/** H3, of pages whose line pointers are equal. */
function xmaxDifference(expected: Uint8Array, actual: Uint8Array): Difference | null {
  const count = linePointerCount(expected);
  for (let number = FIRST_OFFSET_NUMBER; number <= count; number++) {
    const pointer = linePointer(expected, number);
    if (itemState(pointer) !== ItemState.NORMAL) continue;
    const tuple = itemOffset(pointer);
    const differing = tupleInfomask(expected, tuple) ^ tupleInfomask(actual, tuple);
    if (differing & XMAX_STATE) return { offset: tuple, byteCount: 2 };
  }
  return null;
}

function gistDifference(expected: Uint8Array, actual: Uint8Array): Difference | null {
  const sameFlag = ((gistFlags(expected) ^ gistFlags(actual)) & GistFlag.FOLLOW_RIGHT) === 0;
  if (sameFlag && gistNsn(expected) === gistNsn(actual)) return null;
  return { offset: pageSpecial(expected), byteCount: 16 };
}
