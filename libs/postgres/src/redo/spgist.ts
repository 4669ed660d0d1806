/**
 * Redo of SPGist records that insert, by operation and block (spgist/spgxlog.c); pick-splits and vacuum are in files of
 * their own. Tuples lie unaligned in the main data, each with its size in its header.
 */
import { Corrupt } from '@neon/kernel';
import { INVALID_OFFSET_NUMBER } from '../page/line-pointer';
import { readU16 } from '../page/little-endian';
import { setPageLsn } from '../page/page-header';
import {
  TupleState,
  addOrReplaceTuple,
  countRemains,
  deadTuple,
  initSpgistPage,
  innerTuple,
  leafTuple,
  remains,
  replaceByRemains,
  replaceTuple,
  setNextOffset,
  setNodeLink,
} from '../page/spgist-page';
import { UnsupportedRecord } from './change';
import { findBlock, mainData, readU16Array, requireBlock } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';
import { leafFlags, mainEnd, movedRemains } from './spgist-state';
import { redoPickSplit } from './spgist-pick-split';
import { redoVacuumLeaf, redoVacuumRedirect, redoVacuumRoot } from './spgist-vacuum';

const Operation = {
  ADD_LEAF: 0x10,
  MOVE_LEAFS: 0x20,
  ADD_NODE: 0x30,
  SPLIT_TUPLE: 0x40,
  PICKSPLIT: 0x50,
  VACUUM_LEAF: 0x60,
  VACUUM_ROOT: 0x70,
  VACUUM_REDIRECT: 0x80,
} as const;

const REDO: Readonly<Record<number, BlockRedo>> = {
  [Operation.ADD_LEAF]: redoAddLeaf,
  [Operation.MOVE_LEAFS]: redoMoveLeafs,
  [Operation.ADD_NODE]: redoAddNode,
  [Operation.SPLIT_TUPLE]: redoSplitTuple,
  [Operation.PICKSPLIT]: redoPickSplit,
  [Operation.VACUUM_LEAF]: redoVacuumLeaf,
  [Operation.VACUUM_ROOT]: redoVacuumRoot,
  [Operation.VACUUM_REDIRECT]: redoVacuumRedirect,
};

export const spgistRedo: BlockRedo = (context, page) => {
  const { record } = context;
  const redo = REDO[record.info & 0xf0];
  if (redo === undefined)
    throw new UnsupportedRecord(
      `SPGist/${record.info.toString(16)}`,
      record.lsn,
      'no block redo for this SPGist record',
    );
  redo(context, page);
  setPageLsn(page, context.endLsn);
};

/** spgxlogAddLeaf: newPage, storesNulls, offnumLeaf, offnumHeadLeaf, offnumParent, nodeI. Block 1 is the parent. */
function redoAddLeaf({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 10);
  const leafNumber = readU16(bytes, main + 2);
  const headNumber = readU16(bytes, main + 4);
  if (block.id === 1) {
    const target = { block: requireBlock(record, 0).block, offsetNumber: leafNumber };
    setNodeLink(page, readU16(bytes, main + 6), { node: readU16(bytes, main + 8), target });
    return;
  }
  if (bytes[main] !== 0) initSpgistPage(page, leafFlags(bytes[main + 1] !== 0));
  const tuple = leafTuple(bytes, main + 10, mainEnd(record));
  if (leafNumber === headNumber) return replaceTuple(page, tuple, leafNumber);
  addOrReplaceTuple(page, tuple, leafNumber);
  if (headNumber !== INVALID_OFFSET_NUMBER) setNextOffset(page, headNumber, leafNumber);
}

/**
 * spgxlogMoveLeafs: nMoves, newPage, replaceDead, storesNulls, offnumParent, nodeI, state, then deleted and inserted
 * offset numbers and tuples. Block 0 loses a chain, block 1 gets it, block 2 is the parent.
 */
function redoMoveLeafs({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 20);
  const end = mainEnd(record);
  const moveCount = readU16(bytes, main);
  const deleted = readU16Array(bytes, main + 20, { count: moveCount, end });
  const insertCount = bytes[main + 3] !== 0 ? 1 : moveCount + 1;
  const inserted = readU16Array(bytes, main + 20 + deleted.byteLength, { count: insertCount, end });
  const target = { block: requireBlock(record, 1).block, offsetNumber: inserted[insertCount - 1] as number };
  if (block.id === 0) {
    const first = movedRemains(bytes, main + 12, target);
    replaceByRemains(page, deleted, { first, others: remains(TupleState.PLACEHOLDER) });
  } else if (block.id === 1) {
    if (bytes[main + 2] !== 0) initSpgistPage(page, leafFlags(bytes[main + 4] !== 0));
    let at = main + 20 + deleted.byteLength + inserted.byteLength;
    for (const offsetNumber of inserted) {
      const tuple = leafTuple(bytes, at, end);
      addOrReplaceTuple(page, tuple, offsetNumber);
      at += tuple.length;
    }
  } else {
    setNodeLink(page, readU16(bytes, main + 6), { node: readU16(bytes, main + 8), target });
  }
}

/**
 * spgxlogAddNode: offnum, offnumNew, newPage, parentBlk, offnumParent, nodeI, state, then the inner tuple with its node
 * more. It replaces the tuple on block 0, or goes to block 1; the parent is on block `parentBlk`.
 */
function redoAddNode({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 20);
  const tuple = innerTuple(bytes, main + 20, mainEnd(record));
  const offsetNumber = readU16(bytes, main);
  const newBlock = findBlock(record, 1);
  if (newBlock === undefined) return replaceTuple(page, tuple, offsetNumber);
  const target = { block: newBlock.block, offsetNumber: readU16(bytes, main + 2) };
  if (block.id === 1) {
    if (bytes[main + 4] !== 0) initSpgistPage(page, 0);
    addOrReplaceTuple(page, tuple, target.offsetNumber);
  } else if (block.id === 0) {
    const left = movedRemains(bytes, main + 12, target);
    replaceTuple(page, deadTuple(left), offsetNumber);
    countRemains(page, left);
  }
  if (bytes[main + 5] === block.id)
    setNodeLink(page, readU16(bytes, main + 6), { node: readU16(bytes, main + 8), target });
}

/**
 * spgxlogSplitTuple: offnumPrefix, offnumPostfix, newPage, postfixBlkSame, then the prefix and the postfix inner tuple
 * that together replace one. Block 1 takes the postfix unless block 0 does.
 */
function redoSplitTuple({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 6);
  const prefix = innerTuple(bytes, main + 6, mainEnd(record));
  const postfix = innerTuple(bytes, prefix.offset + prefix.length, mainEnd(record));
  const postfixNumber = readU16(bytes, main + 2);
  if (block.id === 1) {
    if (bytes[main + 4] !== 0) initSpgistPage(page, 0);
    addOrReplaceTuple(page, postfix, postfixNumber);
  } else if (block.id === 0) {
    replaceTuple(page, prefix, readU16(bytes, main));
    if (bytes[main + 5] !== 0) addOrReplaceTuple(page, postfix, postfixNumber);
  } else {
    throw new Corrupt(`an SP-GiST tuple split has no block ${block.id}`);
  }
}
