/**
 * The names of WAL records, as `pg_waldump --stats=record` and `pg_get_wal_stats` write them.
 *
 *   N1  `recordName` is null exactly for types that the record's major does not write.
 *
 * @example describeRecord(record) // 'Heap/INSERT+INIT'
 */
import { POSTGRES_MAJORS, versionOf, type PostgresVersion } from '../versions';
import { RMGR_INFO_MASK } from './layout';
import type { WalRecord } from './record';
import { RMID_BUILT_IN_MAX, RMID_CUSTOM_MIN, Rmgr } from './rmgr';

type Names = Readonly<Partial<Record<number, string>>>;

interface ResourceManager {
  readonly name: string;
  /** Name by xl_info under `mask`. */
  readonly records: Names;
  readonly mask?: number;
}

/** Names in order of their codes: 0x00, 0x10, 0x20 …; empty where a code is not used. */
const inOrder = (...names: readonly string[]): Names =>
  Object.fromEntries(names.map((name, i) => [i << 4, name] as const).filter(([, name]) => name !== ''));

/** Adds the variants that redo builds the page for, marked by the highest bit. */
const withInit = (names: Names, codes: readonly number[]): Names => ({
  ...names,
  ...Object.fromEntries(codes.map((code) => [code | 0x80, `${names[code]}+INIT`])),
});

const TRANSACTION = inOrder(
  'COMMIT',
  'PREPARE',
  'ABORT',
  'COMMIT_PREPARED',
  'ABORT_PREPARED',
  'ASSIGNMENT',
  'INVALIDATION',
);
const HEAP = withInit(
  inOrder('INSERT', 'DELETE', 'UPDATE', 'TRUNCATE', 'HOT_UPDATE', 'HEAP_CONFIRM', 'LOCK', 'INPLACE'),
  [0x00, 0x20, 0x40],
);
const HEAP2 = withInit(
  inOrder(
    'REWRITE',
    'PRUNE_ON_ACCESS',
    'PRUNE_VACUUM_SCAN',
    'PRUNE_VACUUM_CLEANUP',
    'VISIBLE',
    'MULTI_INSERT',
    'LOCK_UPDATED',
    'NEW_CID',
  ),
  [0x50],
);
const BTREE = inOrder(
  'INSERT_LEAF',
  'INSERT_UPPER',
  'INSERT_META',
  'SPLIT_L',
  'SPLIT_R',
  'INSERT_POST',
  'DEDUP',
  'DELETE',
  'UNLINK_PAGE',
  'UNLINK_PAGE_META',
  'NEWROOT',
  'MARK_PAGE_HALFDEAD',
  'VACUUM',
  'REUSE_PAGE',
  'META_CLEANUP',
);
const HASH = inOrder(
  'INIT_META_PAGE',
  'INIT_BITMAP_PAGE',
  'INSERT',
  'ADD_OVFL_PAGE',
  'SPLIT_ALLOCATE_PAGE',
  'SPLIT_PAGE',
  'SPLIT_COMPLETE',
  'MOVE_PAGE_CONTENTS',
  'SQUEEZE_PAGE',
  'DELETE',
  'SPLIT_CLEANUP',
  'UPDATE_META_PAGE',
  'VACUUM_ONE_PAGE',
);
const GIN = inOrder(
  '',
  'CREATE_PTREE',
  'INSERT',
  'SPLIT',
  'VACUUM_PAGE',
  'DELETE_PAGE',
  'UPDATE_META_PAGE',
  'INSERT_LISTPAGE',
  'DELETE_LISTPAGE',
  'VACUUM_DATA_LEAF_PAGE',
);
const SPGIST = inOrder(
  '',
  'ADD_LEAF',
  'MOVE_LEAFS',
  'ADD_NODE',
  'SPLIT_TUPLE',
  'PICKSPLIT',
  'VACUUM_LEAF',
  'VACUUM_ROOT',
  'VACUUM_REDIRECT',
);
const BRIN = withInit(
  inOrder('CREATE_INDEX', 'INSERT', 'UPDATE', 'SAMEPAGE_UPDATE', 'REVMAP_EXTEND', 'DESUMMARIZE'),
  [0x10, 0x20],
);
const XLOG = inOrder(
  'CHECKPOINT_SHUTDOWN',
  'CHECKPOINT_ONLINE',
  'NOOP',
  'NEXTOID',
  'SWITCH',
  'BACKUP_END',
  'PARAMETER_CHANGE',
  'RESTORE_POINT',
  'FPW_CHANGE',
  'END_OF_RECOVERY',
  'FPI_FOR_HINT',
  'FPI',
  '',
  'OVERWRITE_CONTRECORD',
);

const RESOURCE_MANAGERS: Readonly<Partial<Record<number, ResourceManager>>> = {
  [Rmgr.XLOG]: { name: 'XLOG', records: { ...XLOG, 0xe0: 'CHECKPOINT_REDO' } },
  [Rmgr.TRANSACTION]: { name: 'Transaction', records: TRANSACTION, mask: 0x70 },
  [Rmgr.STORAGE]: { name: 'Storage', records: inOrder('', 'CREATE', 'TRUNCATE') },
  [Rmgr.CLOG]: { name: 'CLOG', records: inOrder('ZEROPAGE', 'TRUNCATE') },
  [Rmgr.DATABASE]: { name: 'Database', records: inOrder('CREATE_FILE_COPY', 'CREATE_WAL_LOG', 'DROP') },
  [Rmgr.TABLESPACE]: { name: 'Tablespace', records: inOrder('CREATE', 'DROP') },
  [Rmgr.MULTIXACT]: {
    name: 'MultiXact',
    records: inOrder('ZERO_OFF_PAGE', 'ZERO_MEM_PAGE', 'CREATE_ID', 'TRUNCATE_ID'),
  },
  [Rmgr.RELMAP]: { name: 'RelMap', records: inOrder('UPDATE') },
  [Rmgr.STANDBY]: { name: 'Standby', records: inOrder('LOCK', 'RUNNING_XACTS', 'INVALIDATIONS') },
  [Rmgr.HEAP2]: { name: 'Heap2', records: HEAP2 },
  [Rmgr.HEAP]: { name: 'Heap', records: HEAP },
  [Rmgr.BTREE]: { name: 'Btree', records: BTREE },
  [Rmgr.HASH]: { name: 'Hash', records: HASH },
  [Rmgr.GIN]: { name: 'Gin', records: GIN },
  [Rmgr.GIST]: {
    name: 'Gist',
    records: inOrder('PAGE_UPDATE', 'DELETE', 'PAGE_REUSE', 'PAGE_SPLIT', '', '', 'PAGE_DELETE', 'ASSIGN_LSN'),
  },
  [Rmgr.SEQUENCE]: { name: 'Sequence', records: inOrder('LOG') },
  [Rmgr.SPGIST]: { name: 'SPGist', records: SPGIST },
  [Rmgr.BRIN]: { name: 'BRIN', records: BRIN },
  [Rmgr.COMMIT_TS]: { name: 'CommitTs', records: inOrder('ZEROPAGE', 'TRUNCATE') },
  [Rmgr.REPLICATION_ORIGIN]: { name: 'ReplicationOrigin', records: inOrder('SET', 'DROP') },
  [Rmgr.GENERIC]: { name: 'Generic', records: inOrder('Generic') },
  [Rmgr.LOGICAL_MESSAGE]: { name: 'LogicalMessage', records: inOrder('MESSAGE') },
};

/** Names of records that some majors have otherwise, or not at all. */
const differing = (version: PostgresVersion): Partial<Record<number, Names>> => ({
  ...(version.heapPruneIsUnified
    ? {}
    : { [Rmgr.HEAP2]: { ...HEAP2, 0x10: 'PRUNE', 0x20: 'VACUUM', 0x30: 'FREEZE_PAGE' } }),
  ...(version.hasCheckpointRedo ? {} : { [Rmgr.XLOG]: XLOG }),
  ...(version.hasCreateWalLog ? {} : { [Rmgr.DATABASE]: inOrder('CREATE', 'DROP') }),
});

/** Names by resource manager and the high four bits of xl_info: a table, because every record is looked up. */
function nameTable(version: PostgresVersion): readonly (string | null)[] {
  const differences = differing(version);
  return Array.from({ length: (RMID_BUILT_IN_MAX + 1) << 4 }, (_, key) => {
    const manager = RESOURCE_MANAGERS[key >>> 4];
    const info = (key & 0xf) << 4;
    const name = (differences[key >>> 4] ?? manager?.records)?.[info & (manager?.mask ?? RMGR_INFO_MASK)];
    return name === undefined ? null : `${manager?.name}/${name}`;
  });
}

const NAMES: (readonly (string | null)[])[] = [];
for (const major of POSTGRES_MAJORS) NAMES[major] = nameTable(versionOf(major));

export type RecordType = Pick<WalRecord, 'major' | 'rmid' | 'info'>;

/** `<resource manager>/<record>`, or null when there is no such type. */
export const recordName = ({ major, rmid, info }: RecordType): string | null =>
  NAMES[major]?.[(rmid << 4) | (info >>> 4)] ?? null;

/** A name for every record, known or not. */
export function describeRecord(record: RecordType): string {
  const known = recordName(record);
  if (known !== null) return known;
  const { rmid, info } = record;
  const manager =
    RESOURCE_MANAGERS[rmid]?.name ?? (rmid >= RMID_CUSTOM_MIN ? `custom${String(rmid)}` : `rmgr${String(rmid)}`);
  return `${manager}/UNKNOWN (${(info & RMGR_INFO_MASK).toString(16)})`;
}
