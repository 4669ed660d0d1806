/** Effects of ReplicationOrigin records (replorigin_redo): progress set by hand, and origins dropped. */
import { RMGR_INFO_MASK } from '../wal/layout';
import { MainDataReader } from '../wal/main-data';
import type { WalRecord } from '../wal/record';
import type { Change } from './change';

const SET = 0x00;

export function replicationOriginChanges(record: WalRecord, changes: Change[]): void {
  const reader = new MainDataReader(record);
  const remoteLsn = (record.info & RMGR_INFO_MASK) === SET ? reader.u64() : null;
  changes.push({ kind: 'replication-origin', originId: reader.u16(), remoteLsn });
}
