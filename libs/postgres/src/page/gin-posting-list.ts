/**
 * GIN's compressed posting lists (gin/ginpostinglist.c): the first tuple id in full, then differences of at most seven
 * bytes, seven bits each.
 *
 *   L1  A tuple id is the number `block * 2^11 + offset number`; 43 bits, exact in a double.
 *   L2  What does not decode to tuple ids, or cannot be encoded as such, throws `Corrupt`; no list takes long.
 *
 * A segment: 0 first tuple id  6 length of what follows  8 differences, padded to two bytes.
 */
import { Corrupt } from '@neon/kernel';
import { ITEM_POINTER_SIZE, pointerBlock, pointerOffsetNumber, writeItemPointer } from './item-pointer';
import { readU16, shortAlign, writeU16 } from './little-endian';

const OFFSET_NUMBERS = 2 ** 11;
const SEGMENT_HEADER_SIZE = 8;
const DIFFERENCE_BYTES_MAX = 7;
const TID_END = 2 ** 43;

/** SizeOfGinPostingList. @throws Corrupt when the segment does not end before `end`. */
export function segmentSize(bytes: Uint8Array, at: number, end: number): number {
  if (at + SEGMENT_HEADER_SIZE > end) throw new Corrupt('no room for the header of a GIN posting list');
  const size = SEGMENT_HEADER_SIZE + shortAlign(readU16(bytes, at + ITEM_POINTER_SIZE));
  if (at + size > end) throw new Corrupt(`a GIN posting list of ${size} bytes does not fit`);
  return size;
}

const tidNumber = (bytes: Uint8Array, at: number): number =>
  pointerBlock(bytes, at) * OFFSET_NUMBERS + pointerOffsetNumber(bytes, at);

/** `count` tuple ids that lie uncompressed one behind the other and end before `end`, as numbers. */
export function readTids(bytes: Uint8Array, at: number, { count, end }: { count: number; end: number }): number[] {
  if (at + count * ITEM_POINTER_SIZE > end) throw new Corrupt(`${count} tuple ids do not fit ${end - at} bytes`);
  return Array.from({ length: count }, (_, index) => tidNumber(bytes, at + index * ITEM_POINTER_SIZE));
}

/** The tuple ids of one segment, which must end before `limit`, ascending. */
export function decodeSegment(bytes: Uint8Array, at: number, limit: number): number[] {
  segmentSize(bytes, at, limit);
  const end = at + SEGMENT_HEADER_SIZE + readU16(bytes, at + ITEM_POINTER_SIZE);
  let tid = tidNumber(bytes, at);
  const tids = [tid];
  for (let position = at + SEGMENT_HEADER_SIZE; position < end;) {
    let difference = 0;
    let scale = 1;
    let byte: number;
    const last = Math.min(end, position + DIFFERENCE_BYTES_MAX);
    do {
      if (position >= last) throw new Corrupt('a difference in a GIN posting list does not end');
      byte = bytes[position++] as number;
      difference += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte & 0x80);
    tid += difference;
    if (tid >= TID_END) throw new Corrupt('a tuple id in a GIN posting list is too large');
    tids.push(tid);
  }
  return tids;
}

/** One segment holding all of `tids`, which ascend strictly. */
export function encodeSegment(tids: readonly number[]): Uint8Array {
  const [first] = tids;
  if (first === undefined) throw new Corrupt('an empty GIN posting list');
  const segment = new Uint8Array(SEGMENT_HEADER_SIZE + tids.length * DIFFERENCE_BYTES_MAX + 1);
  writeItemPointer(segment, 0, { block: Math.floor(first / OFFSET_NUMBERS), offsetNumber: first % OFFSET_NUMBERS });
  let at = SEGMENT_HEADER_SIZE;
  let previous = first;
  for (let index = 1; index < tids.length; index++) {
    const tid = tids[index] as number;
    let difference = tid - previous;
    if (difference <= 0) throw new Corrupt('tuple ids of a GIN posting list do not ascend');
    for (; difference > 0x7f; difference = Math.floor(difference / 128)) segment[at++] = 0x80 | (difference % 128);
    segment[at++] = difference;
    previous = tid;
  }
  writeU16(segment, ITEM_POINTER_SIZE, at - SEGMENT_HEADER_SIZE);
  return segment.subarray(0, SEGMENT_HEADER_SIZE + shortAlign(at - SEGMENT_HEADER_SIZE));
}

/** Two ascending lists as one, equal tuple ids once (ginMergeItemPointers). */
export function mergeTids(left: readonly number[], right: readonly number[]): number[] {
  const merged: number[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    const a = left[i] as number;
    const b = right[j] as number;
    merged.push(Math.min(a, b));
    if (a <= b) i++;
    if (b <= a) j++;
  }
  return [...merged, ...left.slice(i), ...right.slice(j)];
}
