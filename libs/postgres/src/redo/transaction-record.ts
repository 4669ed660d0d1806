/** The Transaction records (access/xact.h) as values: how a transaction ended, or that it was prepared. */
import { MainDataReader } from '../wal/main-data';
import type { RelationId, WalRecord } from '../wal/record';
import { versionOf } from '../versions';
import { maxAlign } from '../page/little-endian';

/** xl_info under `TRANSACTION_OPERATION_MASK`. */
export const TransactionOperation = {
  COMMIT: 0x00,
  PREPARE: 0x10,
  ABORT: 0x20,
  COMMIT_PREPARED: 0x30,
  ABORT_PREPARED: 0x40,
  ASSIGNMENT: 0x50,
  INVALIDATIONS: 0x60,
} as const;
const TRANSACTION_OPERATION_MASK = 0x70;
const HAS_INFO = 0x80;

/** xinfo. */
const Has = {
  DATABASE: 1,
  SUBTRANSACTIONS: 2,
  DROPPED_RELATIONS: 4,
  INVALIDATIONS: 8,
  TWO_PHASE: 16,
  ORIGIN: 32,
  GID: 128,
  DROPPED_STATS: 256,
} as const;
const INVALIDATION_SIZE = 16;
/** Microseconds of Postgres' epoch, 2000-01-01, after the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000;

const NO_XIDS = new Uint32Array(0);
const NO_RELATIONS: readonly RelationId[] = [];

/** What whoever replicates says of a transaction's origin: any LSN, and any time, infinity too. */
export interface TransactionOrigin {
  readonly remoteLsn: bigint;
  readonly timestampUs: bigint;
}

/** The ids under which a transaction wrote. */
export interface Transaction {
  /** Its own xid, or 0 when it had none. */
  readonly xid: number;
  readonly subxids: Uint32Array;
}

export interface TransactionEnd extends Transaction {
  /** Microseconds since 2000-01-01. */
  readonly timestampUs: number;
  readonly droppedRelations: readonly RelationId[];
  /** Whether the transaction had been prepared. */
  readonly prepared: boolean;
  readonly origin: TransactionOrigin | null;
}

export const transactionOperation = (record: WalRecord): number => record.info & TRANSACTION_OPERATION_MASK;

/** From Postgres' epoch to Unix'; exact until the year 2255. */
export const unixUs = (timestampUs: number): number => timestampUs + POSTGRES_EPOCH_US;

/** A COMMIT, ABORT, COMMIT PREPARED or ABORT PREPARED record. @throws WalError when it does not add up */
export function parseTransactionEnd(record: WalRecord): TransactionEnd {
  const reader = new MainDataReader(record);
  const timestampUs = reader.i64();
  const has = (record.info & HAS_INFO) === 0 ? 0 : reader.u32();
  if (has & Has.DATABASE) reader.skip(8);
  const subxids = has & Has.SUBTRANSACTIONS ? reader.u32Array() : NO_XIDS;
  const droppedRelations = has & Has.DROPPED_RELATIONS ? reader.relations(reader.u32()) : NO_RELATIONS;
  if (has & Has.DROPPED_STATS) reader.skip(reader.u32() * versionOf(record.major).droppedStatsSize);
  if (has & Has.INVALIDATIONS) reader.skip(reader.u32() * INVALIDATION_SIZE);
  const prepared = (has & Has.TWO_PHASE) !== 0;
  const xid = prepared ? reader.u32() : record.xid;
  if (prepared && has & Has.GID) reader.skipText();
  const origin = has & Has.ORIGIN ? { remoteLsn: reader.u64(), timestampUs: reader.u64() } : null;
  return { xid, subxids, timestampUs, droppedRelations, prepared, origin };
}

export interface PreparedTransaction {
  readonly xid: number;
  readonly subxids: Uint32Array;
  readonly originLsn: bigint;
  /** The body of its file in pg_twophase, without the checksum. */
  readonly state: Uint8Array;
}

/** A PREPARE record. @throws WalError when it does not add up */
export function parsePrepare(record: WalRecord): PreparedTransaction {
  const { size, gidLengthAt, originAt } = versionOf(record.major).prepare;
  const state = new MainDataReader(record).slice(record.mainLength);
  const reader = new MainDataReader(record);
  reader.skip(8);
  const xid = reader.u32();
  reader.skip(16);
  const subxidCount = reader.u32();
  reader.skip(gidLengthAt - 32);
  const gidLength = reader.u16();
  reader.skip(originAt - gidLengthAt - 2);
  const originLsn = reader.u64();
  reader.skip(size - originAt - 8 + maxAlign(gidLength));
  return { xid, subxids: reader.u32s(subxidCount), originLsn, state };
}

export interface SubtransactionAssignment {
  readonly xid: number;
  readonly subxids: Uint32Array;
}

/** An ASSIGNMENT record. @throws WalError when it does not add up */
export function parseAssignment(record: WalRecord): SubtransactionAssignment {
  const reader = new MainDataReader(record);
  return { xid: reader.u32(), subxids: reader.u32Array() };
}
