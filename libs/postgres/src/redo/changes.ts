/**
 * What a record does to storage (C1 of `change`): its effects by resource manager, then the pages it names.
 *
 * Records without any durable effect yield no changes: checkpoints and other XLOG records (their counters are tracked by
 * `trackCheckpoint`), Standby, logical messages, Heap TRUNCATE, Heap2 NEW_CID and REWRITE (logical decoding files).
 */
import { bytesOf } from '@neon/kernel';
import { DEFAULT_SETTINGS, type ChangeSettings } from './change-settings';
import { describeRecord, recordName } from '../wal/describe';
import type { WalRecord } from '../wal/record';
import { RMID_CUSTOM_MIN, Rmgr } from '../wal/rmgr';
import { blockChange } from './block-changes';
import { UnsupportedRecord, type Change, type UnwrittenChange } from './change';
import { clogChanges } from './clog';
import { commitTsChanges } from './commit-ts';
import { customResourceManagerReason } from './custom-resource-manager';
import { databaseChanges } from './dbase';
import { multixactChanges } from './multixact';
import { relationMapChanges } from './relmap';
import { replicationOriginChanges } from './replorigin';
import { storageChanges } from './smgr';
import { visibilityChanges } from './visibility-map';
import { transactionChanges } from './xact';

type Effects = (record: WalRecord, changes: Change[], settings: ChangeSettings) => void;

const tablespaceChanges: Effects = (record) => {
  throw new UnsupportedRecord(describeRecord(record), record.lsn, 'tablespaces are not supported');
};

const EFFECTS: Readonly<Partial<Record<number, Effects>>> = {
  [Rmgr.TRANSACTION]: transactionChanges,
  [Rmgr.STORAGE]: storageChanges,
  [Rmgr.CLOG]: clogChanges,
  [Rmgr.DATABASE]: databaseChanges,
  [Rmgr.TABLESPACE]: tablespaceChanges,
  [Rmgr.MULTIXACT]: multixactChanges,
  [Rmgr.RELMAP]: relationMapChanges,
  [Rmgr.HEAP]: visibilityChanges,
  [Rmgr.HEAP2]: visibilityChanges,
  [Rmgr.COMMIT_TS]: commitTsChanges,
  [Rmgr.REPLICATION_ORIGIN]: replicationOriginChanges,
};

/**
 * @throws UnsupportedRecord for a type of record we do not know, or one that cannot be applied faithfully
 * @throws WalError when the record does not add up
 */
export function changesOf(record: WalRecord, settings: ChangeSettings = DEFAULT_SETTINGS): Change[] {
  return unwrittenChangesOf(record, settings).map((change) =>
    change.kind === 'page-delta' ? { ...change, delta: bytesOf(change.delta) } : change,
  );
}

/** The same for a store that has each delta written to where it keeps it: while the record's bytes are still there. */
export function unwrittenChangesOf(record: WalRecord, settings: ChangeSettings = DEFAULT_SETTINGS): UnwrittenChange[] {
  let changes: UnwrittenChange[] = unnamedChanges(record, settings);
  for (const block of record.blocks) {
    const change = blockChange(record, block, settings);
    if (change === null) continue;
    // Most records lead to one: a literal is as large as that, an empty array grows to many at once.
    if (changes.length === 0) changes = [change];
    else changes.push(change);
  }
  return changes;
}

/** Of `changesOf`, those that are not of pages which the record names: they come first. */
export function unnamedChanges(record: WalRecord, settings: ChangeSettings): Change[] {
  if (recordName(record) === null) throw unknownRecord(record);
  const changes: Change[] = [];
  EFFECTS[record.rmid]?.(record, changes, settings);
  return changes;
}

function unknownRecord(record: WalRecord): UnsupportedRecord {
  const { rmid, lsn } = record;
  const reason = rmid < RMID_CUSTOM_MIN ? 'this type of record is not known' : customResourceManagerReason(rmid);
  return new UnsupportedRecord(describeRecord(record), lsn, reason);
}
