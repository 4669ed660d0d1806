/**
 * Effects of Database records (dbase_redo): databases created, by copying files or page by page, and dropped.
 *
 *   D1  A file copy holds everything of the source as of this record: Postgres flushes before it, and nothing may write meanwhile.
 */
import { versionOf } from '../versions';
import { RMGR_INFO_MASK } from '../wal/layout';
import { MainDataReader } from '../wal/main-data';
import type { WalRecord } from '../wal/record';
import type { Change } from './change';

const CREATE_FILE_COPY = 0x00;
/** Where it exists; elsewhere this code means DROP. */
const CREATE_WAL_LOG = 0x10;

export function databaseChanges(record: WalRecord, changes: Change[]): void {
  const reader = new MainDataReader(record);
  const operation = record.info & RMGR_INFO_MASK;
  const databaseOid = reader.u32();
  if (operation === CREATE_FILE_COPY) {
    const tablespaceOid = reader.u32();
    const source = { databaseOid: reader.u32(), tablespaceOid: reader.u32() };
    changes.push({ kind: 'database-create', tablespaceOid, databaseOid, copyOf: source });
  } else if (operation === CREATE_WAL_LOG && versionOf(record.major).hasCreateWalLog) {
    changes.push({ kind: 'database-create', tablespaceOid: reader.u32(), databaseOid, copyOf: null });
  } else {
    for (const tablespaceOid of reader.u32Array()) changes.push({ kind: 'database-drop', tablespaceOid, databaseOid });
  }
}
