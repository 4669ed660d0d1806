/**
 * Which function redoes a block of which resource manager.
 *
 *   G1  Every built-in resource manager whose records change pages through block references has one entry; the rest
 *       (xact, clog, smgr, …) reach pages only through the deltas of `slru` and visibility-map kind.
 *   G2  A block redo reads the record and the page it is given, and nothing else.
 *   G3  A record that does not fit the page, or itself, throws `Corrupt`; the page is then of no use.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import type { BlockRedo } from './block-redo';
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

/**
 * Brings `page` to its state after the record (G1–G3).
 *
 * G3: redo checks what it can name; copies that would leave the page or the record fail by themselves, as RangeError.
 */
export const redoBlock: BlockRedo = (context, page) => {
  try {
    const redo = BLOCK_REDO[context.record.rmid];
    if (redo === undefined) throw new Corrupt(`resource manager ${context.record.rmid} redoes no blocks`);
    redo(context, page);
  } catch (error) {
    // By name: an engine's own errors may be of another realm.
    if ((error as Error).name !== 'RangeError') throw error;
    throw new Corrupt(`record at ${Lsn.format(context.record.lsn)} reaches beyond its bounds`, { cause: error });
  }
};
