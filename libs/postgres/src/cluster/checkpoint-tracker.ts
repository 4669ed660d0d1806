/**
 * What a server's counters are after a record, so that a compute can start there as if it had been shut down cleanly.
 *
 *   T1  A record that touches no counter, which is nearly every one, returns the same object.
 *   T2  `nextXid` is beyond every xid seen. It moves in steps of 1024, so that it changes rarely; a shutdown checkpoint sets it exactly.
 *   T3  Every other counter is what Postgres' own recovery would have it be (xlog_redo and the other redo functions), except
 *       that commit timestamp limits also move by checkpoints and by the parameter change that switches them on or off.
 */
import { MainDataReader } from '../wal/main-data';
import { RMGR_INFO_MASK } from '../wal/layout';
import { Rmgr } from '../wal/rmgr';
import type { WalRecord } from '../wal/record';
import { versionOf } from '../versions';
import {
  MultixactOperation,
  advanceMemberOffset,
  nextMultixactId,
  parseMultixactCreation,
  parseMultixactTruncation,
} from '../redo/multixact-record';
import {
  TransactionOperation,
  parseAssignment,
  parsePrepare,
  parseTransactionEnd,
  transactionOperation,
} from '../redo/transaction-record';
import { CHECKPOINT_SIZE, Checkpoint } from './checkpoint';
import { parseParameterChange } from './parameter-change';
import { FullXid, precedes } from './xid';

/** T2. A page of pg_xact holds a whole number of steps. */
const XID_STEP = 1024;

type Step = (checkpoint: Checkpoint, record: WalRecord) => Checkpoint;

export function trackCheckpoint(checkpoint: Checkpoint, record: WalRecord): Checkpoint {
  const advanced = record.xid === 0 ? checkpoint : pastXid(checkpoint, record.xid);
  const step = STEPS[record.rmid];
  return step === undefined ? advanced : step(advanced, record);
}

function pastXid(checkpoint: Checkpoint, xid: number): Checkpoint {
  const nextXid = FullXid.advancedPast(checkpoint.nextXid, xid, XID_STEP);
  return nextXid === checkpoint.nextXid ? checkpoint : { ...checkpoint, nextXid };
}

const pastXids = (checkpoint: Checkpoint, xids: Uint32Array): Checkpoint => xids.reduce(pastXid, checkpoint);

const info = (record: WalRecord): number => record.info & RMGR_INFO_MASK;

const trackXlog: Step = (checkpoint, record) => {
  switch (info(record)) {
    case 0x00: // CHECKPOINT_SHUTDOWN: nothing is running, so every counter is exact.
      return parseCheckpointRecord(record);
    case 0x10: // CHECKPOINT_ONLINE
      return mergeOnline(checkpoint, parseCheckpointRecord(record));
    case 0x30: // NEXTOID
      return { ...checkpoint, nextOid: new MainDataReader(record).u32() };
    case 0x60: // PARAMETER_CHANGE
      return trackParameters(checkpoint, record);
    case 0x80: // FPW_CHANGE
      return { ...checkpoint, fullPageWrites: new MainDataReader(record).u8() !== 0 };
    default:
      return checkpoint;
  }
};

const parseCheckpointRecord = (record: WalRecord): Checkpoint =>
  Checkpoint.parse(new MainDataReader(record).slice(CHECKPOINT_SIZE), record.major);

/** An online checkpoint tells the counters as of its beginning: minima by now. OIDs are tracked by NEXTOID alone. */
function mergeOnline(checkpoint: Checkpoint, online: Checkpoint): Checkpoint {
  return {
    ...checkpoint,
    redoLsn: online.redoLsn,
    fullPageWrites: online.fullPageWrites,
    walLevel: online.walLevel,
    timeS: online.timeS,
    oldestActiveXid: online.oldestActiveXid,
    nextXid: Math.max(checkpoint.nextXid, online.nextXid),
    nextMulti: later(checkpoint.nextMulti, online.nextMulti),
    nextMultiOffset: later(checkpoint.nextMultiOffset, online.nextMultiOffset),
    ...(precedes(checkpoint.oldestMulti, online.oldestMulti) && {
      oldestMulti: online.oldestMulti,
      oldestMultiDatabase: online.oldestMultiDatabase,
    }),
    ...(precedes(checkpoint.oldestXid, online.oldestXid) && {
      oldestXid: online.oldestXid,
      oldestXidDatabase: online.oldestXidDatabase,
    }),
    oldestCommitTsXid: laterOrSet(checkpoint.oldestCommitTsXid, online.oldestCommitTsXid),
    newestCommitTsXid: laterOrSet(checkpoint.newestCommitTsXid, online.newestCommitTsXid),
  };
}

const later = (a: number, b: number): number => (precedes(a, b) ? b : a);
const laterOrSet = (a: number, b: number): number => (a === 0 ? b : b === 0 ? a : later(a, b));

function trackParameters(checkpoint: Checkpoint, record: WalRecord): Checkpoint {
  const { walLevel, trackCommitTimestamp } = parseParameterChange(record);
  const next = versionOf(record.major).checkpointHasWalLevel ? { ...checkpoint, walLevel } : checkpoint;
  if (!trackCommitTimestamp) return { ...next, oldestCommitTsXid: 0, newestCommitTsXid: 0 };
  if (checkpoint.oldestCommitTsXid !== 0) return next;
  const xid = FullXid.xid(checkpoint.nextXid);
  return { ...next, oldestCommitTsXid: xid, newestCommitTsXid: xid };
}

const trackTransaction: Step = (checkpoint, record) => {
  switch (transactionOperation(record)) {
    case TransactionOperation.COMMIT:
    case TransactionOperation.COMMIT_PREPARED: {
      const { xid, subxids } = parseTransactionEnd(record);
      return trackCommitTimestamps(pastXids(pastXid(checkpoint, xid), subxids), xid, subxids);
    }
    case TransactionOperation.ABORT:
    case TransactionOperation.ABORT_PREPARED:
      return pastXids(checkpoint, parseTransactionEnd(record).subxids);
    case TransactionOperation.PREPARE: {
      const { xid, subxids } = parsePrepare(record);
      return pastXids(pastXid(checkpoint, xid), subxids);
    }
    case TransactionOperation.ASSIGNMENT:
      return pastXids(checkpoint, parseAssignment(record).subxids);
    default:
      return checkpoint;
  }
};

/** Commit timestamps are on exactly while their limits are not zero. */
function trackCommitTimestamps(checkpoint: Checkpoint, xid: number, subxids: Uint32Array): Checkpoint {
  if (checkpoint.newestCommitTsXid === 0) return checkpoint;
  const newestCommitTsXid = subxids.reduce(later, later(checkpoint.newestCommitTsXid, xid));
  return newestCommitTsXid === checkpoint.newestCommitTsXid ? checkpoint : { ...checkpoint, newestCommitTsXid };
}

const trackClog: Step = (checkpoint, record) => {
  if (info(record) !== 0x10) return checkpoint;
  const reader = new MainDataReader(record);
  reader.skip(versionOf(record.major).slruPageNumberSize);
  const oldestXid = reader.u32();
  const oldestXidDatabase = reader.u32();
  return precedes(checkpoint.oldestXid, oldestXid) ? { ...checkpoint, oldestXid, oldestXidDatabase } : checkpoint;
};

const trackMultixact: Step = (checkpoint, record) => {
  switch (info(record)) {
    case MultixactOperation.CREATE: {
      const { id, offset, xids } = parseMultixactCreation(record);
      return {
        ...pastXids(checkpoint, xids),
        nextMulti: later(checkpoint.nextMulti, nextMultixactId(id)),
        nextMultiOffset: later(checkpoint.nextMultiOffset, advanceMemberOffset(offset, xids.length)),
      };
    }
    case MultixactOperation.TRUNCATE: {
      const { endId, oldestDatabase } = parseMultixactTruncation(record);
      return precedes(checkpoint.oldestMulti, endId)
        ? { ...checkpoint, oldestMulti: endId, oldestMultiDatabase: oldestDatabase }
        : checkpoint;
    }
    default:
      return checkpoint;
  }
};

const trackStandby: Step = (checkpoint, record) => {
  if (info(record) !== 0x10) return checkpoint;
  // RUNNING_XACTS: two counts and a flag in twelve bytes, then nextXid and the oldest running one.
  const reader = new MainDataReader(record);
  reader.skip(12);
  const advanced = pastXid(checkpoint, reader.u32() - 1);
  const oldestActiveXid = reader.u32();
  return advanced.oldestActiveXid === oldestActiveXid ? advanced : { ...advanced, oldestActiveXid };
};

const trackCommitTs: Step = (checkpoint, record) => {
  if (info(record) !== 0x10) return checkpoint;
  const reader = new MainDataReader(record);
  reader.skip(versionOf(record.major).slruPageNumberSize);
  const oldestXid = reader.u32();
  return checkpoint.oldestCommitTsXid !== 0 && precedes(checkpoint.oldestCommitTsXid, oldestXid)
    ? { ...checkpoint, oldestCommitTsXid: oldestXid }
    : checkpoint;
};

const STEPS: Readonly<Partial<Record<number, Step>>> = {
  [Rmgr.XLOG]: trackXlog,
  [Rmgr.TRANSACTION]: trackTransaction,
  [Rmgr.CLOG]: trackClog,
  [Rmgr.MULTIXACT]: trackMultixact,
  [Rmgr.STANDBY]: trackStandby,
  [Rmgr.COMMIT_TS]: trackCommitTs,
};
