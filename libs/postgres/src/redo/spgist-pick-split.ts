/**
 * Redo of SPGist/PICKSPLIT: a leaf chain that outgrew its page becomes an inner tuple over several chains.
 *
 * spgxlogPickSplit: isRootSplit, nDelete, nInsert, initSrc, initDest, offnumInner, initInner, storesNulls, innerIsParent,
 * offnumParent, nodeI, state; then deleted and inserted offset numbers, for each inserted one which page it goes to, the
 * inner tuple, the leaf tuples. Block 0 had the chain (unless it was the root), block 1 takes leaves too, block 2 the
 * inner tuple, block 3 is the parent (unless it is on block 2).
 */
import type { Piece } from '../page/bufpage';
import { readU16 } from '../page/little-endian';
import {
  SpgistFlag,
  TupleState,
  addOrReplaceTuple,
  initSpgistPage,
  innerTuple,
  leafTuple,
  remains,
  replaceByRemains,
  setNodeLink,
} from '../page/spgist-page';
import type { WalRecord } from '../wal/record';
import { mainData, readU16Array, requireBlock } from './record-data';
import type { BlockRedoContext } from './block-redo';
import { leafFlags, mainEnd, movedRemains } from './spgist-state';

const HEADER_SIZE = 28;

interface PickSplit {
  readonly main: number;
  readonly deleted: Uint16Array;
  readonly inserted: Uint16Array;
  /** Where the page selectors begin: a byte for each inserted tuple, 0 for block 0 and 1 for block 1. */
  readonly selectorsAt: number;
  readonly inner: Piece;
  readonly innerNumber: number;
}

function readPickSplit(record: WalRecord): PickSplit {
  const { bytes } = record;
  const main = mainData(record, HEADER_SIZE);
  const end = mainEnd(record);
  const deleted = readU16Array(bytes, main + HEADER_SIZE, { count: readU16(bytes, main + 2), end });
  const insertedAt = main + HEADER_SIZE + deleted.byteLength;
  const inserted = readU16Array(bytes, insertedAt, { count: readU16(bytes, main + 4), end });
  const selectorsAt = insertedAt + inserted.byteLength;
  const inner = innerTuple(bytes, selectorsAt + inserted.length, end);
  return { main, deleted, inserted, selectorsAt, inner, innerNumber: readU16(bytes, main + 8) };
}

export function redoPickSplit({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const split = readPickSplit(record);
  const { main } = split;
  const storesNulls = bytes[main + 11] !== 0;
  const target = { block: requireBlock(record, 2).block, offsetNumber: split.innerNumber };
  const linkParent = () => setNodeLink(page, readU16(bytes, main + 14), { node: readU16(bytes, main + 16), target });
  switch (block.id) {
    case 0:
      if (bytes[main + 6] !== 0) initSpgistPage(page, leafFlags(storesNulls));
      else {
        const first = movedRemains(bytes, main + 20, target);
        replaceByRemains(page, split.deleted, { first, others: remains(TupleState.PLACEHOLDER) });
      }
      return addLeaves(page, record, { split, selector: 0 });
    case 1:
      if (bytes[main + 7] !== 0) initSpgistPage(page, leafFlags(storesNulls));
      return addLeaves(page, record, { split, selector: 1 });
    case 2:
      if (bytes[main + 10] !== 0) initSpgistPage(page, storesNulls ? SpgistFlag.NULLS : 0);
      addOrReplaceTuple(page, split.inner, split.innerNumber);
      if (bytes[main + 12] !== 0) linkParent();
      return;
    default:
      return linkParent();
  }
}

function addLeaves(
  page: Uint8Array,
  record: WalRecord,
  { split, selector }: { split: PickSplit; selector: number },
): void {
  const { bytes } = record;
  const end = mainEnd(record);
  let at = split.inner.offset + split.inner.length;
  split.inserted.forEach((offsetNumber, index) => {
    const tuple = leafTuple(bytes, at, end);
    at += tuple.length;
    const isForOther = (bytes[split.selectorsAt + index] !== 0) !== (selector !== 0);
    if (!isForOther) addOrReplaceTuple(page, tuple, offsetNumber);
  });
}
