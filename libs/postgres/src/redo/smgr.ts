/**
 * Effects of Storage records (smgr_redo): forks created and truncated.
 *
 *   S1  Truncation cuts the main fork and the visibility map as Postgres does. The free space map goes altogether: it is a hint
 *       that WAL hardly describes, and one that is missing cannot point beyond the relation's new end.
 */
import { RMGR_INFO_MASK } from '../wal/layout';
import { MainDataReader } from '../wal/main-data';
import { Fork, type WalRecord } from '../wal/record';
import { UnsupportedRecord, type Change } from './change';
import { mapTruncation } from './visibility-map';

const CREATE = 0x10;
const Truncates = { MAIN: 1, VISIBILITY_MAP: 2, FSM: 4 } as const;

export function storageChanges(record: WalRecord, changes: Change[]): void {
  const reader = new MainDataReader(record);
  if ((record.info & RMGR_INFO_MASK) === CREATE) {
    changes.push({ kind: 'relation-create', relation: reader.relation(), fork: forkOf(reader.u32(), record) });
    return;
  }
  const blockCount = reader.u32();
  const relation = reader.relation();
  const flags = reader.u32();
  if (flags & Truncates.MAIN) changes.push({ kind: 'relation-truncate', relation, fork: Fork.MAIN, blockCount });
  if (flags & Truncates.FSM) changes.push({ kind: 'relation-truncate', relation, fork: Fork.FSM, blockCount: 0 });
  if (flags & Truncates.VISIBILITY_MAP) changes.push(...mapTruncation(relation, blockCount));
}

function forkOf(value: number, record: WalRecord): Fork {
  if (value <= Fork.INIT) return value as Fork;
  throw new UnsupportedRecord('Storage/CREATE', record.lsn, `fork ${value}`);
}
