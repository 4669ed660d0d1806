/**
 * Copies a short range of a large byte string into another large one, eight bytes at a time.
 *
 * `target.set(bytes.subarray(…), at)` makes a view of the range, which costs as much as hundreds of its bytes. The views used
 * here are of the whole strings, and kept for the next range: one of a chunk of WAL serves thousands of records.
 */
import { viewedBytes } from './crc32c';

/** From this size on, a view of the range pays. */
const WIDE_MIN = 512;
const WORD_SIZE = 8;

export interface ByteRange {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly size: number;
}

let source = viewedBytes(new Uint8Array(0));
let destination = source;

/** @throws RangeError, before anything is copied, when the range is not within its bytes or does not fit the target */
export function copyRange({ bytes, offset, size }: ByteRange, target: Uint8Array, at: number): void {
  if (offset + size > bytes.length || at + size > target.length)
    throw new RangeError(`${size} bytes at ${offset} of ${bytes.length} do not fit at ${at} of ${target.length}`);
  if (size >= WIDE_MIN) return target.set(bytes.subarray(offset, offset + size), at);
  if (source.bytes !== bytes) source = viewedBytes(bytes);
  if (destination.bytes !== target) destination = viewedBytes(target);
  const wordsEnd = size - (size % WORD_SIZE);
  for (let done = 0; done < wordsEnd; done += WORD_SIZE)
    destination.view.setBigUint64(at + done, source.view.getBigUint64(offset + done));
  for (let done = wordsEnd; done < size; done++) target[at + done] = bytes[offset + done] as number;
}
