/**
 * The CheckPoint struct (catalog/pg_control.h): the counters a server starts from.
 *
 *   C1  `Checkpoint.encode` gives back the bytes that were parsed, padding as zeros.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { readU32, writeU32 } from '../page/little-endian';
import { versionOf } from '../versions';
import { readI64, readU64, writeI64, writeU64 } from '../wal/layout';
import type { PostgresMajor } from '../wal/record';

export const CHECKPOINT_SIZE = 88;

export const WalLevel = { MINIMAL: 0, REPLICA: 1, LOGICAL: 2 } as const;

export interface Checkpoint {
  readonly redoLsn: Lsn;
  readonly timelineId: number;
  readonly prevTimelineId: number;
  readonly fullPageWrites: boolean;
  /** From Postgres 17 on; 0 before. */
  readonly walLevel: number;
  /** Full transaction id: epoch · 2^32 + xid. */
  readonly nextXid: number;
  readonly nextOid: number;
  readonly nextMulti: number;
  readonly nextMultiOffset: number;
  readonly oldestXid: number;
  readonly oldestXidDatabase: number;
  readonly oldestMulti: number;
  readonly oldestMultiDatabase: number;
  /** Unix seconds. */
  readonly timeS: number;
  /** Transactions with a commit timestamp; both 0 while that is off. */
  readonly oldestCommitTsXid: number;
  readonly newestCommitTsXid: number;
  readonly oldestActiveXid: number;
}

const AT = {
  redoLsn: 0,
  timelineId: 8,
  prevTimelineId: 12,
  fullPageWrites: 16,
  walLevel: 20,
  nextXid: 24,
  nextOid: 32,
  nextMulti: 36,
  nextMultiOffset: 40,
  oldestXid: 44,
  oldestXidDatabase: 48,
  oldestMulti: 52,
  oldestMultiDatabase: 56,
  timeS: 64,
  oldestCommitTsXid: 72,
  newestCommitTsXid: 76,
  oldestActiveXid: 80,
} as const;

/** The fields that are plain 32-bit numbers in every major. */
const U32_FIELDS = [
  'timelineId',
  'prevTimelineId',
  'nextOid',
  'nextMulti',
  'nextMultiOffset',
  'oldestXid',
  'oldestXidDatabase',
  'oldestMulti',
  'oldestMultiDatabase',
  'oldestCommitTsXid',
  'newestCommitTsXid',
  'oldestActiveXid',
] as const;

function exactU64(bytes: Uint8Array, at: number): number {
  const value = readU64(bytes, at);
  if (!Number.isSafeInteger(value)) throw new Corrupt(`${value.toString(16)} in a CheckPoint is out of range`);
  return value;
}

export const Checkpoint = {
  /** @throws Corrupt unless there are at least 88 bytes, with LSNs and xids below 2^53. */
  parse(bytes: Uint8Array, major: PostgresMajor): Checkpoint {
    if (bytes.length < CHECKPOINT_SIZE)
      throw new Corrupt(`a CheckPoint has ${CHECKPOINT_SIZE} bytes, not ${bytes.length}`);
    const u32 = (field: keyof typeof AT): number => readU32(bytes, AT[field]);
    return {
      redoLsn: Lsn.of(exactU64(bytes, AT.redoLsn)),
      timelineId: u32('timelineId'),
      prevTimelineId: u32('prevTimelineId'),
      fullPageWrites: bytes[AT.fullPageWrites] !== 0,
      walLevel: versionOf(major).checkpointHasWalLevel ? u32('walLevel') : 0,
      nextXid: exactU64(bytes, AT.nextXid),
      nextOid: u32('nextOid'),
      nextMulti: u32('nextMulti'),
      nextMultiOffset: u32('nextMultiOffset'),
      oldestXid: u32('oldestXid'),
      oldestXidDatabase: u32('oldestXidDatabase'),
      oldestMulti: u32('oldestMulti'),
      oldestMultiDatabase: u32('oldestMultiDatabase'),
      timeS: readI64(bytes, AT.timeS),
      oldestCommitTsXid: u32('oldestCommitTsXid'),
      newestCommitTsXid: u32('newestCommitTsXid'),
      oldestActiveXid: u32('oldestActiveXid'),
    };
  },

  encode(checkpoint: Checkpoint, major: PostgresMajor): Uint8Array {
    const bytes = new Uint8Array(CHECKPOINT_SIZE);
    for (const field of U32_FIELDS) writeU32(bytes, AT[field], checkpoint[field]);
    writeU64(bytes, AT.redoLsn, checkpoint.redoLsn);
    bytes[AT.fullPageWrites] = checkpoint.fullPageWrites ? 1 : 0;
    if (versionOf(major).checkpointHasWalLevel) writeU32(bytes, AT.walLevel, checkpoint.walLevel);
    writeU64(bytes, AT.nextXid, checkpoint.nextXid);
    writeI64(bytes, AT.timeS, checkpoint.timeS);
    return bytes;
  },
};
