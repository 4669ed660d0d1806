/** Effects of RelMap records (relmap_redo): the whole relation map of a database, or the shared one. */
import { copyOf } from '@neon/kernel';
import { versionOf } from '../versions';
import { MainDataReader } from '../wal/main-data';
import type { WalRecord } from '../wal/record';
import { UnsupportedRecord, type Change } from './change';

export function relationMapChanges(record: WalRecord, changes: Change[]): void {
  const reader = new MainDataReader(record);
  const databaseOid = reader.u32();
  const tablespaceOid = reader.u32();
  const size = reader.u32();
  if (size !== versionOf(record.major).relationMapSize)
    throw new UnsupportedRecord('RelMap/UPDATE', record.lsn, `relation map of ${size} bytes`);
  changes.push({ kind: 'relation-map', tablespaceOid, databaseOid, content: copyOf(reader.slice(size)) });
}
