/**
 * Redo of the Hash records that delete tuples or move them within a bucket's chain of pages (hash/hash_xlog.c).
 *
 * A record names the bucket's first page as block 0 only to lock it, unless it is one of the pages that change.
 */
import { Corrupt } from '@neon/kernel';
import { addItem } from '../page/bufpage';
import {
  HashFlag,
  addHashTuples,
  hashFlags,
  initUnbucketedPage,
  setHashBitmapBit,
  setHashFirstFree,
  setHashFlags,
  setHashNext,
  setHashPrevious,
} from '../page/hash-page';
import { deleteIndexTuples } from '../page/index-page';
import { checkedTupleSize } from '../page/index-tuple';
import { maxAlign, readU16, readU32 } from '../page/little-endian';
import { setPageLsn } from '../page/page-header';
import { versionOf } from '../versions';
import { blockData, mainData, readU16Array } from './record-data';
import type { BlockRedoContext } from './block-redo';

/** xl_hash_move_page_contents: ntups, is_prim_bucket_same_wrt. Block 1 takes the tuples, block 2 loses them. */
export function redoMovePageContents(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const tupleCount = readU16(record.bytes, mainData(record, 3));
  if (block.id === 0) return;
  if (block.id === 1) addMovedTuples(context, page, tupleCount);
  else deleteListed(context, page);
  setPageLsn(page, endLsn);
}

/** Block data: the offset numbers that the tuples get, then the tuples, each aligned. */
function addMovedTuples({ record, block }: BlockRedoContext, page: Uint8Array, count: number): void {
  const { bytes } = record;
  const data = blockData(record, block, 0);
  const end = data + block.dataLength;
  const targets = readU16Array(bytes, data, { count, end });
  let at = data + targets.byteLength;
  for (const offsetNumber of targets) {
    const length = maxAlign(checkedTupleSize(bytes, at, end));
    if (at + length > end) throw new Corrupt('a moved hash tuple lacks its padding');
    addItem(page, { bytes, offset: at, length }, offsetNumber);
    at += length;
  }
}

/** Block data: offset numbers of the tuples to delete. */
function deleteListed({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const end = block.dataOffset + block.dataLength;
  const deleted = readU16Array(record.bytes, block.dataOffset, { count: block.dataLength >>> 1, end });
  if (deleted.length > 0) deleteIndexTuples(page, deleted);
}

/**
 * xl_hash_squeeze_page: prevblkno, nextblkno, ntups, is_prim_bucket_same_wrt, is_prev_bucket_same_wrt. The tuples of the
 * last overflow page (block 2) go to block 1; 3 and 4 are its neighbours, 5 its bitmap, 6 the metapage. When block 1 is
 * the neighbour before, there is no block 3.
 */
export function redoSqueezePage(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const { bytes } = record;
  const main = mainData(record, 12);
  switch (block.id) {
    case 0:
      return;
    case 1:
      if (!redoSqueezeTarget(context, page, main)) return;
      break;
    case 2:
      initUnbucketedPage(page, HashFlag.UNUSED);
      break;
    case 3:
      setHashNext(page, readU32(bytes, main + 4));
      break;
    case 4:
      setHashPrevious(page, readU32(bytes, main));
      break;
    case 5:
      setHashBitmapBit(page, readU32(bytes, blockData(record, block, 4)), false);
      break;
    default:
      setHashFirstFree(page, readU32(bytes, blockData(record, block, 4)));
  }
  setPageLsn(page, endLsn);
}

/** Returns whether the page gets the record's LSN: if it changed, or in majors that set it even when it did not. */
function redoSqueezeTarget(context: BlockRedoContext, page: Uint8Array, main: number): boolean {
  const { bytes, major } = context.record;
  const tupleCount = readU16(bytes, main + 8);
  const isNeighbour = bytes[main + 11] !== 0;
  if (tupleCount > 0) addMovedTuples(context, page, tupleCount);
  if (isNeighbour) setHashNext(page, readU32(bytes, main + 4));
  return tupleCount > 0 || isNeighbour || versionOf(major).hashSqueezeStampsUnchanged;
}

/** xl_hash_delete: clear_dead_marking, is_primary_bucket_page. Block 1 loses tuples. */
export function redoHashDelete(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block, endLsn } = context;
  const main = mainData(record, 2);
  if (block.id === 0) return;
  deleteListed(context, page);
  if (record.bytes[main] !== 0) setHashFlags(page, hashFlags(page) & ~HashFlag.HAS_DEAD_TUPLES);
  setPageLsn(page, endLsn);
}

/**
 * xl_hash_vacuum_one_page: conflict horizon, ntuples (an int before 16, as wide as ntuples and isCatalogRel are since
 * then, padding included), then offset numbers.
 * Block 0 loses tuples, block 1 is the metapage.
 */
export function redoVacuumOnePage({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 8);
  const count = readU16(bytes, main + 4);
  if (block.id === 0) {
    deleteIndexTuples(page, readU16Array(bytes, main + 8, { count, end: main + record.mainLength }));
    setHashFlags(page, hashFlags(page) & ~HashFlag.HAS_DEAD_TUPLES);
  } else {
    addHashTuples(page, -count);
  }
  setPageLsn(page, endLsn);
}
