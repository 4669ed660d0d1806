/**
 * Which function redoes a block of which resource manager.
 *
 *   G1  Every built-in resource manager whose records change pages through block references has one entry; the rest
 *       (xact, clog, smgr, …) reach pages only through the deltas of `slru` and visibility-map kind.
 *   G2  A block redo reads the record and the page it is given, and nothing else.
 *   G3  A record that does not fit the page, or itself, throws `Corrupt`; the page is then of no use.
 *   G4  Redo begins and ends with a page that Postgres would read from disk, with the special space of its access method. Only
 *       a visibility map may be a page of zeros beneath; for any other Postgres would panic (XLogReadBufferExtended).
 */
import { Corrupt, Lsn } from '@neon/kernel';
import {
  PAGE_SIZE,
  checkHeader,
  pageFlags,
  pageIsNew,
  pageIsSane,
  pageSpecial,
  VALID_PAGE_FLAGS,
} from '../page/page-header';
import { Fork } from '../wal/record';
import { Rmgr } from '../wal/rmgr';
import type { BlockRedo, BlockRedoContext } from './block-redo';
import { brinRedo } from './brin';
import { genericRedo } from './generic';
import { ginRedo } from './gin';
import { gistRedo } from './gist';
import { hashRedo } from './hash';
import { heapRedo } from './heap';
import { heap2Redo } from './heap2';
import { nbtreeRedo } from './nbtree';
import { sequenceRedo } from './sequence';
import { spgistRedo } from './spgist';

const BLOCK_REDO: Readonly<Record<number, BlockRedo>> = {
  9: heap2Redo,
  10: heapRedo,
  11: nbtreeRedo,
  12: hashRedo,
  13: ginRedo,
  14: gistRedo,
  15: sequenceRedo,
  16: spgistRedo,
  17: brinRedo,
  20: genericRedo,
};

export const hasBlockRedo = (rmid: number): boolean => BLOCK_REDO[rmid] !== undefined;

/** Bytes at the end of an access method's pages, where others have none or know nothing of them. */
const SPECIAL_SIZE = new Uint8Array(256);
SPECIAL_SIZE.set([16, 16, 8, 16, 0, 8, 8], Rmgr.BTREE);

/** G4 */
function checkPage({ record, block }: BlockRedoContext, page: Uint8Array): void {
  if (pageIsNew(page)) {
    const isHeap = record.rmid === Rmgr.HEAP || record.rmid === Rmgr.HEAP2;
    if (isHeap && block.fork === Fork.VISIBILITY_MAP && pageIsSane(page)) return;
    throw new Corrupt(`record at ${Lsn.format(record.lsn)} names a page that was never written: block ${block.block}`);
  }
  checkHeader(page);
  if ((pageFlags(page) & ~VALID_PAGE_FLAGS) !== 0) throw new Corrupt(`unknown page flags ${pageFlags(page)}`);
  if (pageSpecial(page) > PAGE_SIZE - (SPECIAL_SIZE[record.rmid] as number))
    throw new Corrupt(`page with too little special space for a record at ${Lsn.format(record.lsn)}`);
}

/**
 * Brings `page` to its state after the record (G1–G4).
 *
 * G3: redo checks what it can name; copies that would leave the page or the record fail by themselves, as RangeError.
 */
export const redoBlock: BlockRedo = (context, page) => {
  try {
    const redo = BLOCK_REDO[context.record.rmid];
    if (redo === undefined) throw new Corrupt(`resource manager ${context.record.rmid} redoes no blocks`);
    if (!context.block.willInit) checkPage(context, page);
    redo(context, page);
    checkPage(context, page);
  } catch (error) {
    // By name: an engine's own errors may be of another realm.
    if ((error as Error).name !== 'RangeError') throw error;
    throw new Corrupt(`record at ${Lsn.format(context.record.lsn)} reaches beyond its bounds`, { cause: error });
  }
};
