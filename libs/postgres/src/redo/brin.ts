/** Redo of BRIN records (brin/brin_xlog.c). */
import { addItemInPlace } from '../page/bufpage';
import { BrinPageType, initBrinMeta, initBrinPage, setLastRevmapPage, setRevmapItem } from '../page/brin-page';
import { deleteIndexTupleNoCompact, overwriteIndexTuple } from '../page/index-page';
import { readU16, readU32 } from '../page/little-endian';
import { INVALID_BLOCK, setPageLsn } from '../page/page-header';
import { UnsupportedRecord } from './change';
import { blockDataPiece, mainData, requireBlock } from './record-data';
import type { BlockRedo, BlockRedoContext } from './block-redo';

const Operation = {
  CREATE_INDEX: 0x00,
  INSERT: 0x10,
  UPDATE: 0x20,
  SAMEPAGE_UPDATE: 0x30,
  REVMAP_EXTEND: 0x40,
  DESUMMARIZE: 0x50,
} as const;
const OPERATION_MASK = 0x70;
const INIT_PAGE = 0x80;

export const brinRedo: BlockRedo = (context, page) => {
  const { record } = context;
  switch (record.info & OPERATION_MASK) {
    case Operation.CREATE_INDEX:
      redoCreateIndex(context, page);
      break;
    case Operation.INSERT:
      redoInsert(context, page, mainData(record, 10));
      break;
    case Operation.UPDATE:
      redoUpdate(context, page);
      break;
    case Operation.SAMEPAGE_UPDATE:
      overwriteIndexTuple(page, readU16(record.bytes, mainData(record, 2)), blockDataPiece(record, context.block));
      break;
    case Operation.REVMAP_EXTEND:
      redoRevmapExtend(context, page);
      break;
    case Operation.DESUMMARIZE:
      redoDesummarize(context, page);
      break;
    default:
      throw new UnsupportedRecord(`BRIN/${record.info.toString(16)}`, record.lsn, 'no block redo for this BRIN record');
  }
  setPageLsn(page, context.endLsn);
};

/** xl_brin_createidx: pagesPerRange, version. */
function redoCreateIndex({ record }: BlockRedoContext, page: Uint8Array): void {
  const main = mainData(record, 6);
  initBrinMeta(page, { pagesPerRange: readU32(record.bytes, main), version: readU16(record.bytes, main + 4) });
}

/** xl_brin_insert, at `insertAt`: heapBlk, pagesPerRange, offnum. Block 0 takes the summary, block 1 is its revmap page. */
function redoInsert({ record, block }: BlockRedoContext, page: Uint8Array, insertAt: number): void {
  const { bytes } = record;
  const offsetNumber = readU16(bytes, insertAt + 8);
  if (block.id === 0) {
    if (record.info & INIT_PAGE) initBrinPage(page, BrinPageType.REGULAR);
    addItemInPlace(page, blockDataPiece(record, block), offsetNumber);
  } else {
    const range = { heapBlock: readU32(bytes, insertAt), pagesPerRange: readU32(bytes, insertAt + 4) };
    setRevmapItem(page, range, { block: requireBlock(record, 0).block, offsetNumber });
  }
}

/** xl_brin_update: oldOffnum, then (4-aligned) xl_brin_insert. Block 2 loses the old summary. */
function redoUpdate(context: BlockRedoContext, page: Uint8Array): void {
  const main = mainData(context.record, 14);
  if (context.block.id === 2) deleteIndexTupleNoCompact(page, readU16(context.record.bytes, main));
  else redoInsert(context, page, main + 4);
}

/** xl_brin_revmap_extend: targetBlk. Block 0 is the metapage, block 1 the page that joins the revmap. */
function redoRevmapExtend({ record, block }: BlockRedoContext, page: Uint8Array): void {
  if (block.id === 0) setLastRevmapPage(page, readU32(record.bytes, mainData(record, 4)));
  else initBrinPage(page, BrinPageType.REVMAP);
}

/** xl_brin_desummarize: pagesPerRange, heapBlk, regOffset. Block 0 is the revmap page, block 1 loses the summary. */
function redoDesummarize({ record, block }: BlockRedoContext, page: Uint8Array): void {
  const { bytes } = record;
  const main = mainData(record, 10);
  if (block.id === 0) {
    const range = { heapBlock: readU32(bytes, main + 4), pagesPerRange: readU32(bytes, main) };
    setRevmapItem(page, range, { block: INVALID_BLOCK, offsetNumber: 0 });
  } else {
    deleteIndexTupleNoCompact(page, readU16(bytes, main + 8));
  }
}
