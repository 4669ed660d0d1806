/**
 * Redo of Hash records, by operation (hash/hash_xlog.c); what moves tuples between pages is in `hash-tuples`.
 *
 * SPLIT_ALLOCATE_PAGE and SPLIT_COMPLETE set a bucket's flags even when the record brought the page's image. A metapage that comes as an
 * image is that image: its data is not in the record then.
 */
import { addItem } from '../page/bufpage';
import {
  HashFlag,
  addHashBitmapPage,
  addHashTuples,
  countHashSpare,
  hashFlags,
  hashMaxBucket,
  initHashBitmap,
  initHashMeta,
  initHashPage,
  setHashBitmapBit,
  setHashFirstFree,
  setHashFlags,
  setHashMasks,
  setHashMaxBucket,
  setHashNext,
  setHashPrevious,
  setHashSplitpoint,
  setHashTupleCount,
} from '../page/hash-page';
import { readF64, readU16, readU32 } from '../page/little-endian';
import { setPageLsn } from '../page/page-header';
import { UnsupportedRecord } from './change';
import { redoHashDelete, redoMovePageContents, redoSqueezePage, redoVacuumOnePage } from './hash-tuples';
import { blockData, blockDataPiece, findBlock, mainData, requireBlock } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = {
  INIT_META_PAGE: 0x00,
  INIT_BITMAP_PAGE: 0x10,
  INSERT: 0x20,
  ADD_OVFL_PAGE: 0x30,
  SPLIT_ALLOCATE_PAGE: 0x40,
  SPLIT_PAGE: 0x50,
  SPLIT_COMPLETE: 0x60,
  MOVE_PAGE_CONTENTS: 0x70,
  SQUEEZE_PAGE: 0x80,
  DELETE: 0x90,
  SPLIT_CLEANUP: 0xa0,
  UPDATE_META_PAGE: 0xb0,
  VACUUM_ONE_PAGE: 0xc0,
} as const;

const REDO: Readonly<Record<number, BlockRedo>> = {
  [Operation.INIT_META_PAGE]: redoInitMeta,
  [Operation.INIT_BITMAP_PAGE]: redoInitBitmap,
  [Operation.INSERT]: redoInsert,
  [Operation.ADD_OVFL_PAGE]: redoAddOverflowPage,
  [Operation.SPLIT_ALLOCATE_PAGE]: redoSplitAllocate,
  [Operation.SPLIT_COMPLETE]: redoSplitComplete,
  [Operation.MOVE_PAGE_CONTENTS]: redoMovePageContents,
  [Operation.SQUEEZE_PAGE]: redoSqueezePage,
  [Operation.DELETE]: redoHashDelete,
  [Operation.SPLIT_CLEANUP]: redoSplitCleanup,
  [Operation.UPDATE_META_PAGE]: redoUpdateMeta,
  [Operation.VACUUM_ONE_PAGE]: redoVacuumOnePage,
};

export const hashRedo: BlockRedo = (context, page) => {
  const { record } = context;
  const redo = REDO[record.info & 0xf0];
  // SPLIT_PAGE is an image and nothing else: without one there is nothing to redo from.
  if (redo === undefined)
    throw new UnsupportedRecord(`Hash/${record.info.toString(16)}`, record.lsn, 'no block redo for this Hash record');
  redo(context, page);
};

/** xl_hash_init_meta_page: num_tuples, procid, ffactor. */
function redoInitMeta({ record, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const main = mainData(record, 14);
  initHashMeta(page, {
    tupleCount: readF64(record.bytes, main),
    procedureOid: readU32(record.bytes, main + 8),
    fillFactor: readU16(record.bytes, main + 12),
  });
  setPageLsn(page, endLsn);
}

/** xl_hash_init_bitmap_page: bmsize. Block 0 is the bitmap, which lies behind the first buckets; block 1 the metapage. */
function redoInitBitmap({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  if (block.id === 0) initHashBitmap(page, readU16(record.bytes, mainData(record, 2)));
  else addHashBitmapPage(page, hashMaxBucket(page) + 2);
  setPageLsn(page, endLsn);
}

/** xl_hash_insert: offnum. Block 0 takes the tuple, block 1 is the metapage. */
function redoInsert({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  if (block.id === 0) addItem(page, blockDataPiece(record, block), readU16(record.bytes, mainData(record, 2)));
  else addHashTuples(page, 1);
  setPageLsn(page, endLsn);
}

/**
 * xl_hash_add_ovfl_page: bmsize, bmpage_found. Block 0 is the overflow page, 1 the one before it, 2 the bitmap that frees
 * it or had it free, 3 a further bitmap page, 4 the metapage.
 */
function redoAddOverflowPage(context: BlockRedoContext, page: Uint8Array): void {
  const { record, block } = context;
  const { bytes } = record;
  const main = mainData(record, 3);
  switch (block.id) {
    case 0:
      initHashPage(page, {
        previous: requireBlock(record, 1).block,
        bucket: readU32(bytes, blockData(record, block, 4)),
        flags: HashFlag.OVERFLOW,
      });
      break;
    case 1:
      setHashNext(page, requireBlock(record, 0).block);
      break;
    case 2:
      setHashBitmapBit(page, readU32(bytes, blockData(record, block, 4)), true);
      break;
    case 3:
      initHashBitmap(page, readU16(bytes, main));
      break;
    default:
      countOverflowPage(context, page, bytes[main + 2] !== 0);
  }
  setPageLsn(page, context.endLsn);
}

function countOverflowPage({ record, block }: BlockRedoContext, page: Uint8Array, reusesFreed: boolean): void {
  setHashFirstFree(page, readU32(record.bytes, blockData(record, block, 4)));
  if (reusesFreed) return;
  countHashSpare(page);
  const newBitmap = findBlock(record, 3);
  if (newBitmap === undefined) return;
  addHashBitmapPage(page, newBitmap.block);
  countHashSpare(page);
}

const SplitFlag = { UPDATE_MASKS: 1, UPDATE_SPLITPOINT: 2 } as const;

/**
 * xl_hash_split_allocate_page: new_bucket, old_bucket_flag, new_bucket_flag, flags. Block 0 is the old bucket, 1 the new
 * one, 2 the metapage.
 */
function redoSplitAllocate({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 9);
  const newBucket = readU32(bytes, main);
  if (block.id === 0) {
    setHashFlags(page, readU16(bytes, main + 4));
    setHashPrevious(page, newBucket);
  } else if (block.id === 1) {
    initHashPage(page, { previous: newBucket, bucket: newBucket, flags: readU16(bytes, main + 6) });
  } else {
    setHashMaxBucket(page, newBucket);
    const flags = bytes[main + 8] as number;
    const size = (flags & SplitFlag.UPDATE_MASKS ? 8 : 0) + (flags & SplitFlag.UPDATE_SPLITPOINT ? 8 : 0);
    let at = blockData(record, block, size);
    if (flags & SplitFlag.UPDATE_MASKS) {
      setHashMasks(page, { low: readU32(bytes, at), high: readU32(bytes, at + 4) });
      at += 8;
    }
    if (flags & SplitFlag.UPDATE_SPLITPOINT)
      setHashSplitpoint(page, { splitpoint: readU32(bytes, at), spares: readU32(bytes, at + 4) });
  }
  setPageLsn(page, endLsn);
}

/** xl_hash_split_complete: old_bucket_flag, new_bucket_flag. */
function redoSplitComplete({ record, block, endLsn }: BlockRedoContext, page: Uint8Array): void {
  const main = mainData(record, 4);
  setHashFlags(page, readU16(record.bytes, block.id === 0 ? main : main + 2));
  setPageLsn(page, endLsn);
}

function redoSplitCleanup({ endLsn }: BlockRedoContext, page: Uint8Array): void {
  setHashFlags(page, hashFlags(page) & ~HashFlag.NEEDS_SPLIT_CLEANUP);
  setPageLsn(page, endLsn);
}

/** xl_hash_update_meta_page: ntuples. */
function redoUpdateMeta({ record, endLsn }: BlockRedoContext, page: Uint8Array): void {
  setHashTupleCount(page, readF64(record.bytes, mainData(record, 8)));
  setPageLsn(page, endLsn);
}
