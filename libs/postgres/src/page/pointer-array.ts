/**
 * All line pointers of a page as an array of numbers, for functions that go through them: one copy in and one out cost less
 * than putting each number together from its bytes.
 *
 *   A1  There is one array. It is in use within one function, from `readPointers` to `writePointers`.
 */
import { LINE_POINTER_SIZE, linePointerCount } from './line-pointer';
import { PAGE_HEADER_SIZE, PAGE_SIZE } from './page-header';

/** The pointer of offset number n is at n - 1. Postgres' layout is that of the machine, little-endian on those we know. */
export const pointers = new Int32Array((PAGE_SIZE - PAGE_HEADER_SIZE) / LINE_POINTER_SIZE);
const pointerBytes = new Uint8Array(pointers.buffer);

/** Fills the array with the pointers of a page whose header was checked; returns how many there are. */
export function readPointers(page: Uint8Array): number {
  const count = linePointerCount(page);
  pointerBytes.set(page.subarray(PAGE_HEADER_SIZE, PAGE_HEADER_SIZE + count * LINE_POINTER_SIZE));
  return count;
}

/** Puts the first `count` pointers of the array onto the page. */
export function writePointers(page: Uint8Array, count: number): void {
  page.set(pointerBytes.subarray(0, count * LINE_POINTER_SIZE), PAGE_HEADER_SIZE);
}
