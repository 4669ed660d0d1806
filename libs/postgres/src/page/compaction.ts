/**
 * Moves the remaining items of a page together at its end (compactify_tuples of storage/page/bufpage.c).
 *
 *   K1  Items end up in reverse line pointer order: the first pointer's item lies last on the page.
 *   K2  Bytes in the space that becomes free are what they were, except where an item moved over them; masking or a hole
 *       hides them from every comparison.
 */
import { itemLength, itemOffset, withItemOffset } from './line-pointer';
import { maxAlign } from './little-endian';
import { PAGE_SIZE, pageSpecial, setPageUpper } from './page-header';
import { pointers } from './pointer-array';

/** Which pointers of the pointer array have an item to keep, in order: filled by the caller, up to `count`. */
export const kept = new Uint16Array(pointers.length);

/** Room to put a page together from a copy of it, which lies behind: within one array, a piece moves without a view of it. */
const scratch = new Uint8Array(2 * PAGE_SIZE);

/**
 * Moves the data of the items of `kept`, and lets the pointer array say where they went.
 *
 * @param sorted whether offsets fall strictly from item to item: then nothing is overwritten before it is moved, and runs
 *   of neighbours move at once without a copy
 */
export function compactTuples(page: Uint8Array, { count, sorted }: { count: number; sorted: boolean }): void {
  let upper = pageSpecial(page);
  let index = 0;
  // What already lies where it must needs no move.
  for (; index < count; index++) {
    const pointer = keptPointer(index);
    if (upper !== endOf(pointer)) break;
    upper = itemOffset(pointer);
  }
  if (index === count) {
    setPageUpper(page, upper);
    return;
  }
  const top = upper;
  const [target, shift] = sorted ? [page, 0] : [scratch, PAGE_SIZE];
  if (!sorted) scratch.set(page, PAGE_SIZE);
  let runStart = endOf(keptPointer(index));
  let runEnd = runStart;
  for (; index < count; index++) {
    const pointer = keptPointer(index);
    const end = endOf(pointer);
    if (runStart !== end) {
      target.copyWithin(upper, shift + runStart, shift + runEnd);
      runEnd = end;
    }
    runStart = itemOffset(pointer);
    upper -= end - runStart;
    pointers[kept[index] as number] = withItemOffset(pointer, upper);
  }
  target.copyWithin(upper, shift + runStart, shift + runEnd);
  if (!sorted) page.set(scratch.subarray(upper, top), upper);
  setPageUpper(page, upper);
}

const keptPointer = (index: number): number => pointers[kept[index] as number] as number;

/** Where an item ends, padding included. */
const endOf = (pointer: number): number => itemOffset(pointer) + maxAlign(itemLength(pointer));
