/** Server settings that WAL and its redo depend on: XLOG PARAMETER_CHANGE, written at startup when pg_control disagrees. */
import { MainDataReader } from '../wal/main-data';
import type { WalRecord } from '../wal/record';

export interface ClusterParameters {
  readonly maxConnections: number;
  readonly maxWorkerProcesses: number;
  readonly maxWalSenders: number;
  readonly maxPreparedTransactions: number;
  readonly maxLocksPerTransaction: number;
  readonly walLevel: number;
  readonly walLogHints: boolean;
  readonly trackCommitTimestamp: boolean;
}

export const isParameterChange = (record: WalRecord): boolean => record.rmid === 0 && (record.info & 0xf0) === 0x60;

/** @throws WalError when the record does not add up */
export function parseParameterChange(record: WalRecord): ClusterParameters {
  const reader = new MainDataReader(record);
  return {
    maxConnections: reader.u32(),
    maxWorkerProcesses: reader.u32(),
    maxWalSenders: reader.u32(),
    maxPreparedTransactions: reader.u32(),
    maxLocksPerTransaction: reader.u32(),
    walLevel: reader.u32(),
    walLogHints: reader.u8() !== 0,
    trackCommitTimestamp: reader.u8() !== 0,
  };
}
