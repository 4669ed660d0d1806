/**
 * Moves the remaining items of a page together at its end (compactify_tuples of storage/page/bufpage.c).
 *
 *   K1  Items end up in reverse line pointer order: the first pointer's item lies last on the page.
 *   K2  Bytes in the space that becomes free are what they were, except where an item moved over them; masking or a hole
 *       hides them from every comparison.
 */
import { linePointer, setLinePointer, withItemOffset } from './line-pointer';
import { PAGE_SIZE, pageSpecial, pageUpper, setPageUpper } from './page-header';

/** The items to keep, in line pointer order: parallel arrays, reused from page to page. */
export interface KeptItems {
  /** Index into the line pointer array (offset number - 1) once the page is compacted. */
  readonly pointerIndex: Uint16Array;
  readonly offset: Uint16Array;
  /** Length of the item's data, aligned. */
  readonly size: Uint16Array;
}

const scratch = new Uint8Array(PAGE_SIZE);

/**
 * @param sorted whether offsets fall strictly from item to item: then nothing is overwritten before it is moved, and runs
 *   of neighbours move at once without a copy
 */
export function compactTuples(
  page: Uint8Array,
  items: KeptItems,
  { count, sorted }: { count: number; sorted: boolean },
): void {
  let upper = pageSpecial(page);
  let index = 0;
  // What already lies where it must needs no move.
  while (index < count && upper === endOf(items, index)) upper -= items.size[index++] as number;
  if (index === count) {
    setPageUpper(page, upper);
    return;
  }
  let source = page;
  if (!sorted) {
    const from = pageUpper(page);
    scratch.set(page.subarray(from, upper), from);
    source = scratch;
  }
  let runStart = endOf(items, index);
  let runEnd = runStart;
  for (; index < count; index++) {
    const end = endOf(items, index);
    if (runStart !== end) {
      move(source, page, { from: runStart, until: runEnd, to: upper });
      runEnd = end;
    }
    runStart = items.offset[index] as number;
    upper -= items.size[index] as number;
    const number = (items.pointerIndex[index] as number) + 1;
    setLinePointer(page, number, withItemOffset(linePointer(page, number), upper));
  }
  move(source, page, { from: runStart, until: runEnd, to: upper });
  setPageUpper(page, upper);
}

const endOf = (items: KeptItems, index: number): number =>
  (items.offset[index] as number) + (items.size[index] as number);

function move(source: Uint8Array, page: Uint8Array, { from, until, to }: { from: number; until: number; to: number }) {
  if (source === page) page.copyWithin(to, from, until);
  else page.set(source.subarray(from, until), to);
}
