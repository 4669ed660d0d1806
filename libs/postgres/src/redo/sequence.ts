/** Redo of Sequence/LOG: the one tuple of a sequence's one page, which is built anew each time (seq_redo of sequence.c). */
import { addItem } from '../page/bufpage';
import { FIRST_OFFSET_NUMBER } from '../page/line-pointer';
import { writeU32 } from '../page/little-endian';
import { initPage, pageSpecial, setPageLsn } from '../page/page-header';
import { UnsupportedRecord } from './change';
import { mainData } from './record-data';
import type { BlockRedo } from './block-redo';

const SEQUENCE_MAGIC = 0x1717;
/** xl_seq_rec: the relation's locator. The tuple follows. */
const HEADER_SIZE = 12;

export const sequenceRedo: BlockRedo = ({ record, endLsn }, page) => {
  if ((record.info & 0xf0) !== 0)
    throw new UnsupportedRecord(`Sequence/${record.info.toString(16)}`, record.lsn, 'not a Sequence/LOG record');
  const main = mainData(record, HEADER_SIZE);
  initPage(page, 4);
  writeU32(page, pageSpecial(page), SEQUENCE_MAGIC);
  addItem(
    page,
    { bytes: record.bytes, offset: main + HEADER_SIZE, length: record.mainLength - HEADER_SIZE },
    FIRST_OFFSET_NUMBER,
  );
  setPageLsn(page, endLsn);
};
