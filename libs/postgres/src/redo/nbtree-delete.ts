/**
 * Redo of Btree/VACUUM and Btree/DELETE: tuples leave a leaf page, posting list tuples shrink (btree_xlog_vacuum,
 * btree_xlog_delete).
 *
 * Block 0's data: offset numbers of tuples to delete, offset numbers of posting list tuples to shrink, and for each of
 * those a count and the positions of the heap tids to remove.
 */
import { pieceOf } from '../page/bufpage';
import { deleteIndexTuples, overwriteIndexTuple } from '../page/index-page';
import { itemAt } from '../page/line-pointer';
import { readU16 } from '../page/little-endian';
import { BtreeFlag, btreeFlags, setBtreeCycleId, setBtreeFlags } from '../page/nbtree-page';
import { removeFromPosting } from '../page/nbtree-posting';
import { setPageLsn } from '../page/page-header';
import { versionOf } from '../versions';
import { blockData, mainData, readU16Array } from './record-data';
import type { BlockRedoContext } from './block-redo';

/** xl_btree_vacuum: ndeleted, nupdated. */
export function redoBtreeVacuum(context: BlockRedoContext, page: Uint8Array): void {
  deleteAndUpdate(context, page, mainData(context.record, 4));
  if (versionOf(context.record.major).btreeVacuumResetsCycleId) setBtreeCycleId(page, 0);
}

/** xl_btree_delete: conflict horizon, ndeleted, nupdated. */
export function redoBtreeDelete(context: BlockRedoContext, page: Uint8Array): void {
  deleteAndUpdate(context, page, mainData(context.record, 8) + 4);
}

function deleteAndUpdate({ record, block, endLsn }: BlockRedoContext, page: Uint8Array, countsAt: number): void {
  const { bytes } = record;
  const data = blockData(record, block, 0);
  const end = data + block.dataLength;
  const deleted = readU16Array(bytes, data, { count: readU16(bytes, countsAt), end });
  const updatedAt = data + deleted.byteLength;
  const updated = readU16Array(bytes, updatedAt, { count: readU16(bytes, countsAt + 2), end });
  let at = updatedAt + updated.byteLength;
  for (const offsetNumber of updated) {
    const [count] = readU16Array(bytes, at, { count: 1, end });
    const removed = readU16Array(bytes, at + 2, { count: count as number, end });
    overwriteIndexTuple(page, offsetNumber, pieceOf(removeFromPosting(page, itemAt(page, offsetNumber), removed)));
    at += 2 + removed.byteLength;
  }
  if (deleted.length > 0) deleteIndexTuples(page, deleted);
  setBtreeFlags(page, btreeFlags(page) & ~BtreeFlag.HAS_GARBAGE);
  setPageLsn(page, endLsn);
}
