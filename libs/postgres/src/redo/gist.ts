/**
 * Redo of Gist records (gist/gistxlog.c). PAGE_REUSE is for hot standby alone, ASSIGN_LSN for wal_level=minimal; neither
 * names blocks.
 *
 * The left child whose split an insertion finishes is marked as done even when the record brought its image: Postgres
 * takes the image before it clears the mark.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { addItem, type Piece } from '../page/bufpage';
import {
  GIST_ROOT_BLOCK,
  GistFlag,
  gistFlags,
  initGistPage,
  setGistDeleted,
  setGistFlags,
  setGistNsn,
  setGistRightLink,
} from '../page/gist-page';
import { deleteIndexTuple, deleteIndexTuples, overwriteIndexTuple } from '../page/index-page';
import { checkedTupleSize } from '../page/index-tuple';
import { linePointerCount } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { setPageLsn } from '../page/page-header';
import { versionOf } from '../versions';
import { UnsupportedRecord } from './change';
import { blockData, mainData, readU16Array, requireBlock } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = { PAGE_UPDATE: 0x00, DELETE: 0x10, PAGE_SPLIT: 0x30, PAGE_DELETE: 0x60 } as const;
const WORD = 0x1_0000_0000;

export const gistRedo: BlockRedo = (context, page) => {
  const { record, block } = context;
  switch (record.info & 0xf0) {
    case Operation.PAGE_UPDATE:
      if (block.id === 0) redoPageUpdate(context, page);
      else clearFollowRight(context, page);
      break;
    case Operation.DELETE:
      redoDelete(context, page);
      break;
    case Operation.PAGE_SPLIT:
      if (block.id === 0) clearFollowRight(context, page);
      else redoPageSplit(context, page);
      break;
    case Operation.PAGE_DELETE:
      redoPageDelete(context, page);
      break;
    default:
      throw new UnsupportedRecord(`Gist/${record.info.toString(16)}`, record.lsn, 'no block redo for this Gist record');
  }
  setPageLsn(page, context.endLsn);
};

function clearFollowRight({ endLsn }: BlockRedoContext, page: Uint8Array): void {
  setGistNsn(page, endLsn);
  setGistFlags(page, gistFlags(page) & ~GistFlag.FOLLOW_RIGHT);
}

/** gistxlogPageUpdate: ntodelete, ntoinsert. Block data: offset numbers to delete, tuples to insert. */
function redoPageUpdate({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 4);
  const data = blockData(record, block, 0);
  const end = data + block.dataLength;
  const deleted = readU16Array(bytes, data, { count: readU16(bytes, main), end });
  let at = data + deleted.byteLength;
  if (deleted.length === 1 && readU16(bytes, main + 2) === 1) {
    const length = checkedTupleSize(bytes, at, end);
    overwriteIndexTuple(page, deleted[0] as number, { bytes, offset: at, length });
    at += length;
  } else if (deleted.length > 0) {
    deleteIndexTuples(page, deleted);
    const flags = gistFlags(page);
    if (flags & GistFlag.LEAF) setGistFlags(page, flags | GistFlag.TUPLES_DELETED);
  }
  appendTuples(page, { bytes, offset: at, length: end - at });
}

/** Adds tuples that lie one behind the other; returns how many. */
function appendTuples(page: Uint8Array, { bytes, offset, length }: Piece): number {
  const end = offset + length;
  let count = 0;
  for (let at = offset; at < end; count++) {
    const size = checkedTupleSize(bytes, at, end);
    addItem(page, { bytes, offset: at, length: size }, linePointerCount(page) + 1);
    at += size;
  }
  return count;
}

/** gistxlogDelete: conflict horizon, ntodelete, perhaps isCatalogRel, then the offset numbers. */
function redoDelete({ record }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const headerSize = versionOf(record.major).gistDeleteSize;
  const main = mainData(record, headerSize);
  const end = main + record.mainLength;
  deleteIndexTuples(page, readU16Array(bytes, main + headerSize, { count: readU16(bytes, main + 4), end }));
  setGistFlags(page, (gistFlags(page) & ~GistFlag.HAS_GARBAGE) | GistFlag.TUPLES_DELETED);
}

/**
 * gistxlogPageSplit: origrlink, orignsn (8-aligned), origleaf, npage, markfollowright. Blocks 1 to npage are the pages in
 * order from left to right; the root, if it was split, is the first.
 */
function redoPageSplit({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 21);
  const isRoot = block.block === GIST_ROOT_BLOCK;
  const isRootSplit = requireBlock(record, 1).block === GIST_ROOT_BLOCK;
  const isLast = block.id === readU16(bytes, main + 18);
  const isLeaf = bytes[main + 16] !== 0 && !isRoot;
  const followRight = !isLast && !isRootSplit && bytes[main + 20] !== 0;
  initGistPage(page, (isLeaf ? GistFlag.LEAF : 0) | (followRight ? GistFlag.FOLLOW_RIGHT : 0));
  const data = blockData(record, block, 4);
  const count = appendTuples(page, { bytes, offset: data + 4, length: block.dataLength - 4 });
  if (count !== readU32(bytes, data)) throw new Corrupt(`a split GiST page has ${count} tuples`);
  if (!isRoot) setGistRightLink(page, isLast ? readU32(bytes, main) : requireBlock(record, block.id + 1).block);
  const nsn = readU32(bytes, main + 12) * WORD + readU32(bytes, main + 8);
  if (!Number.isSafeInteger(nsn)) throw new Corrupt(`a GiST page split before ${nsn.toString(16)}`);
  setGistNsn(page, Lsn.of(nsn));
}

/** gistxlogPageDelete: deleteXid (a full xid), downlinkOffset. Block 0 is the page, block 1 its parent. */
function redoPageDelete({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const main = mainData(record, 10);
  if (block.id === 0) setGistDeleted(page, record.bytes.subarray(main, main + 8));
  else deleteIndexTuple(page, readU16(record.bytes, main + 8));
}
