/** Redo of SPGist records of vacuum, each of which changes one page (spgist/spgxlog.c). */
import { deleteIndexTuples } from '../page/index-page';
import { INVALID_OFFSET_NUMBER, linePointer, linePointerCount, setLinePointer, storedItem } from '../page/line-pointer';
import { readU16 } from '../page/little-endian';
import {
  TupleState,
  adjustPlaceholders,
  adjustRedirects,
  forgetRedirect,
  remains,
  replaceByRemains,
  setNextOffset,
} from '../page/spgist-page';
import { versionOf } from '../versions';
import { mainData, readU16Array } from './record-data';
import type { BlockRedoContext } from './block-redo';
import { mainEnd } from './spgist-state';

const DEAD = { first: remains(TupleState.DEAD), others: remains(TupleState.DEAD) };
const PLACEHOLDER = { first: remains(TupleState.PLACEHOLDER), others: remains(TupleState.PLACEHOLDER) };

/** spgxlogVacuumLeaf: nDead, nPlaceholder, nMove, nChain, state, then offset numbers, for moves and chains from and to. */
export function redoVacuumLeaf({ record }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 16);
  let at = main + 16;
  const take = (count: number): Uint16Array => {
    const values = readU16Array(bytes, at, { count, end: mainEnd(record) });
    at += values.byteLength;
    return values;
  };
  const dead = take(readU16(bytes, main));
  const placeholders = take(readU16(bytes, main + 2));
  const moveCount = readU16(bytes, main + 4);
  const [moveFrom, moveTo] = [take(moveCount), take(moveCount)];
  const chainCount = readU16(bytes, main + 6);
  const [chainFrom, chainTo] = [take(chainCount), take(chainCount)];

  replaceByRemains(page, dead, DEAD);
  replaceByRemains(page, placeholders, PLACEHOLDER);
  moveFrom.forEach((from, index) => swapLinePointers(page, { from, to: moveTo[index] as number }));
  replaceByRemains(page, moveFrom, PLACEHOLDER);
  chainFrom.forEach((from, index) => setNextOffset(page, from, chainTo[index] as number));
}

function swapLinePointers(page: Uint8Array, { from, to }: { from: number; to: number }): void {
  const pointer = storedItem(page, from);
  storedItem(page, to);
  setLinePointer(page, from, linePointer(page, to));
  setLinePointer(page, to, pointer);
}

/** spgxlogVacuumRoot: nDelete, state, then offset numbers. The root is a leaf, whose tuples nothing points to. */
export function redoVacuumRoot({ record }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 12);
  deleteIndexTuples(page, readU16Array(bytes, main + 12, { count: readU16(bytes, main), end: mainEnd(record) }));
}

/** spgxlogVacuumRedirect: nToPlaceholder, firstPlaceholder, conflict horizon, perhaps isCatalogRel, then offset numbers. */
export function redoVacuumRedirect({ record }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const headerSize = versionOf(record.major).spgistVacuumRedirectSize;
  const main = mainData(record, headerSize);
  const count = readU16(bytes, main);
  const redirects = readU16Array(bytes, main + headerSize, { count, end: mainEnd(record) });
  for (const offsetNumber of redirects) forgetRedirect(page, offsetNumber);
  adjustRedirects(page, -count);
  adjustPlaceholders(page, count);
  const firstPlaceholder = readU16(bytes, main + 2);
  if (firstPlaceholder === INVALID_OFFSET_NUMBER) return;
  // All placeholders at the end of the page go, line pointers included.
  const removed = Uint16Array.from(
    { length: Math.max(0, linePointerCount(page) - firstPlaceholder + 1) },
    (_, index) => firstPlaceholder + index,
  );
  adjustPlaceholders(page, -removed.length);
  deleteIndexTuples(page, removed);
}
