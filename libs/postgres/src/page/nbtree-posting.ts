/**
 * Posting list tuples: one B-tree leaf tuple for many heap tuples with equal keys (nbtree/nbtdedup.c).
 *
 * Such a tuple has INDEX_AM_RESERVED_BIT in t_info; its t_tid holds where the heap tids begin (as block number) and how
 * many there are (in the offset number, beside a mark).
 */
import { Corrupt, copyOf } from '@neon/kernel';
import {
  INDEX_AM_RESERVED_BIT,
  INDEX_TUPLE_HEADER_SIZE,
  checkedTupleSize,
  indexTupleInfo,
  indexTupleSize,
  setIndexTupleInfo,
  setIndexTupleSize,
} from './index-tuple';
import {
  ITEM_POINTER_SIZE,
  pointerBlock,
  pointerOffsetNumber,
  setPointerBlock,
  setPointerOffsetNumber,
} from './item-pointer';
import { maxAlign } from './little-endian';

const IS_POSTING = 0x2000;
const COUNT_MASK = 0x0fff;

export const isPostingTuple = (bytes: Uint8Array, at: number): boolean =>
  (indexTupleInfo(bytes, at) & INDEX_AM_RESERVED_BIT) !== 0 && (pointerOffsetNumber(bytes, at) & IS_POSTING) !== 0;

/** How many heap tids a posting list tuple has. */
export const postingCount = (bytes: Uint8Array, at: number): number => pointerOffsetNumber(bytes, at) & COUNT_MASK;

const postingStart = (bytes: Uint8Array, at: number): number => pointerBlock(bytes, at);

/** Size of a tuple's part before its heap tids; of a plain tuple, all of it. */
export const keySize = (bytes: Uint8Array, at: number): number =>
  isPostingTuple(bytes, at) ? postingStart(bytes, at) : indexTupleSize(bytes, at);

/** The heap tids of a leaf tuple, plain or posting list, as they lie in memory. */
export function heapTids(bytes: Uint8Array, at: number): Uint8Array {
  if (!isPostingTuple(bytes, at)) return bytes.subarray(at, at + ITEM_POINTER_SIZE);
  const start = postingStart(bytes, at);
  const size = postingCount(bytes, at) * ITEM_POINTER_SIZE;
  if (start < INDEX_TUPLE_HEADER_SIZE || start + size > checkedTupleSize(bytes, at, bytes.length))
    throw new Corrupt('a posting list beyond its tuple');
  return bytes.subarray(at + start, at + start + size);
}

/** A leaf tuple with the key of the tuple at `at` and these heap tids (_bt_form_posting): plain when there is but one. */
export function formPosting(bytes: Uint8Array, at: number, tids: Uint8Array): Uint8Array {
  const count = tids.length / ITEM_POINTER_SIZE;
  const keyLength = keySize(bytes, at);
  if (keyLength < INDEX_TUPLE_HEADER_SIZE || keyLength > checkedTupleSize(bytes, at, bytes.length))
    throw new Corrupt(`a Btree key of ${keyLength} bytes`);
  const tuple = new Uint8Array(count > 1 ? maxAlign(keyLength + tids.length) : keyLength);
  tuple.set(bytes.subarray(at, at + keyLength));
  setIndexTupleSize(tuple, 0, tuple.length);
  const info = indexTupleInfo(tuple, 0);
  if (count > 1) {
    setIndexTupleInfo(tuple, 0, info | INDEX_AM_RESERVED_BIT);
    setPointerOffsetNumber(tuple, 0, count | IS_POSTING);
    setPointerBlock(tuple, 0, keyLength);
    tuple.set(tids, keyLength);
  } else {
    setIndexTupleInfo(tuple, 0, info & ~INDEX_AM_RESERVED_BIT);
    tuple.set(tids, 0);
  }
  return tuple;
}

/** The posting list tuple without some of its heap tids, counted from 0 in ascending order (_bt_update_posting). */
export function removeFromPosting(bytes: Uint8Array, at: number, removed: ArrayLike<number>): Uint8Array {
  const tids = heapTids(bytes, at);
  const count = tids.length / ITEM_POINTER_SIZE;
  const remaining = new Uint8Array(Math.max(0, tids.length - removed.length * ITEM_POINTER_SIZE));
  let removedIndex = 0;
  let size = 0;
  for (let index = 0; index < count; index++) {
    if (removedIndex < removed.length && removed[removedIndex] === index) {
      removedIndex++;
      continue;
    }
    const start = index * ITEM_POINTER_SIZE;
    if (size >= remaining.length) break;
    remaining.set(tids.subarray(start, start + ITEM_POINTER_SIZE), size);
    size += ITEM_POINTER_SIZE;
  }
  if (size === 0 || size !== remaining.length || removedIndex !== removed.length)
    throw new Corrupt('heap tids to remove are not in the posting list');
  return formPosting(bytes, at, remaining);
}

/**
 * Makes room for a new heap tid inside a posting list of the same size (_bt_swap_posting): the new tuple's tid goes to
 * position `position`, and the list's last tid, pushed out, becomes the new tuple's.
 *
 * @returns the posting list tuple and the new tuple as they are to be stored
 */
export function swapPosting(
  posting: Uint8Array,
  added: Uint8Array,
  position: number,
): { readonly posting: Uint8Array; readonly added: Uint8Array } {
  const swapped = copyOf(posting);
  const tuple = copyOf(added);
  if (!isPostingTuple(swapped, 0)) throw new Corrupt('the tuple to split is not a posting list');
  const tids = heapTids(swapped, 0);
  const at = position * ITEM_POINTER_SIZE;
  if (position <= 0 || at >= tids.length) throw new Corrupt(`a posting list cannot be split at ${position}`);
  tuple.set(tids.subarray(tids.length - ITEM_POINTER_SIZE), 0);
  tids.copyWithin(at + ITEM_POINTER_SIZE, at, tids.length - ITEM_POINTER_SIZE);
  tids.set(added.subarray(0, ITEM_POINTER_SIZE), at);
  return { posting: swapped, added: tuple };
}
