import { Lsn } from '@neon/kernel';
import type { Checkpoint } from '@neon/postgres';

/** A checkpoint for `trackCheckpoint` to go on from: a young cluster that tracks commit timestamps. */
export const SEED_CHECKPOINT: Checkpoint = {
  redoLsn: Lsn.of(0x0150_0028),
  timelineId: 1,
  prevTimelineId: 1,
  fullPageWrites: true,
  walLevel: 2,
  nextXid: 800,
  nextOid: 16384,
  nextMulti: 1,
  nextMultiOffset: 0,
  oldestXid: 700,
  oldestXidDatabase: 1,
  oldestMulti: 1,
  oldestMultiDatabase: 1,
  timeS: 1_700_000_000,
  oldestCommitTsXid: 3,
  newestCommitTsXid: 3,
  oldestActiveXid: 0,
};
