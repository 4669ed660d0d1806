/**
 * Redo of Generic records, in which extensions log pages: pieces of a page as they are afterwards (access/generic_xlog.c).
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { readU16 } from '../page/little-endian';
import { PAGE_SIZE, checkHeader, pageLower, pageUpper, setPageLsn } from '../page/page-header';
import { blockData } from './record-data';
import type { BlockRedo } from './block-redo';

/** Block data: offset, length, and as many bytes, over and over. What lies between the page's bounds is zeroed after. */
export const genericRedo: BlockRedo = ({ record, block, endLsn }, page) => {
  const { bytes } = record;
  const data = blockData(record, block, 0);
  const end = data + block.dataLength;
  for (let at = data; at < end;) {
    if (at + 4 > end) throw new Corrupt(`the Generic record at ${Lsn.format(record.lsn)} ends within a piece`);
    const offset = readU16(bytes, at);
    const length = readU16(bytes, at + 2);
    const piece = at + 4;
    if (piece + length > end || offset + length > PAGE_SIZE)
      throw new Corrupt(`a piece of the Generic record at ${Lsn.format(record.lsn)} does not fit`);
    page.set(bytes.subarray(piece, piece + length), offset);
    at = piece + length;
  }
  checkHeader(page);
  page.fill(0, pageLower(page), pageUpper(page));
  setPageLsn(page, endLsn);
};
