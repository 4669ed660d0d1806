/**
 * Everything in which the WAL, the redo and the control file of Postgres 14–18 differ, as data.
 *
 *   V1  No other file of this library asks which major it has before it: it asks for a field of `PostgresVersion`. A major
 *       is added by its entry here, its number in `PostgresMajor`, and the names of its records in `wal/describe`.
 *   V2  Sizes, codes and rules not listed here are the same in all five majors.
 *   V3  Minor releases share a major's entry. Where one of them changed a record (visibility map blocks named by heap
 *       records since 17.11 and 18.6), the record itself tells; where one changed redo, the entry is what it does since then.
 */
import type { PostgresMajor } from './wal/record';

export interface PostgresVersion {
  /** XLOG_PAGE_MAGIC. */
  readonly walMagic: number;
  /** PG_CONTROL_VERSION and CATALOG_VERSION_NO. */
  readonly controlFileVersion: number;
  readonly catalogVersion: number;
  /** bimg_info of a block image. 14 knew one compression, which later majors name pglz. */
  readonly imageFlags: { readonly apply: number; readonly pglz: number; readonly lz4: number; readonly zstd: number };
  /** CheckPoint.wal_level exists, in what was padding before (catalog/pg_control.h, with PG_CONTROL_VERSION 1700). */
  readonly checkpointHasWalLevel: boolean;
  /** offsetof(ControlFileData, crc): 18 put default_char_signedness, and padding, before the nonce. */
  readonly controlFileCrcAt: 288 | 292;
  /** XLOG_CHECKPOINT_REDO is written where an online checkpoint begins (catalog/pg_control.h, commit afd12774). */
  readonly hasCheckpointRedo: boolean;
  /** XLOG_DBASE_CREATE_WAL_LOG, with the code that XLOG_DBASE_DROP had before (commands/dbcommands_xlog.h, commit 9c08aea6). */
  readonly hasCreateWalLog: boolean;
  /** Width of an SLRU page number in ZEROPAGE and TRUNCATE records (access/clog.h, commit 4ed8f091). */
  readonly slruPageNumberSize: 4 | 8;
  /** sizeof(xl_xact_stats_item) in commit and abort records; 0 where there are none. Commit b14e9ce7 made objid 64 bits. */
  readonly droppedStatsSize: 0 | 12 | 16;
  /** sizeof(xl_xact_prepare), and where it keeps the GID's length and the origin. */
  readonly prepare: { readonly size: number; readonly gidLengthAt: number; readonly originAt: number };
  /** Digits of a file name in pg_twophase: 16 carry the epoch. */
  readonly twoPhaseNameDigits: 8 | 16;
  /** sizeof(RelMapFile) of utils/cache/relmapper.c: MAX_MAPPINGS grew from 62 to 64 (commit d8cd0c6c). */
  readonly relationMapSize: 512 | 524;
  /**
   * One record format says everything that pruning or vacuum did to a heap page (xl_heap_prune with XLHP_ flags, commit
   * f83d7097): PRUNE_ON_ACCESS, PRUNE_VACUUM_SCAN and PRUNE_VACUUM_CLEANUP have the codes of PRUNE, VACUUM and FREEZE_PAGE.
   */
  readonly heapPruneIsUnified: boolean;
  /** What FREEZE_PAGE lists: xl_heap_freeze_tuple for each tuple, or xl_heap_freeze_plan for tuples alike (commit 9e540599). */
  readonly freezePageLists: 'tuples' | 'plans';
  /** PageRepairFragmentation drops unused line pointers at the end of the array (storage/page/bufpage.c, commit 10a8d138). */
  readonly repairTruncatesLinePointers: boolean;
  /** SizeOfGistxlogDelete: isCatalogRel, and padding, came before the offset numbers (access/gistxlog.h, commit 6af17939). */
  readonly gistDeleteSize: 6 | 8;
  /** SizeOfSpgxlogVacuumRedirect: likewise (access/spgxlog.h). */
  readonly spgistVacuumRedirectSize: 8 | 10;
  /** hash_xlog_squeeze_page sets the LSN of the page that takes the tuples even when none came (until commit f56a9def). */
  readonly hashSqueezeStampsUnchanged: boolean;
  /** btree_xlog_vacuum resets btpo_cycleid, as the primary does in every major. */
  readonly btreeVacuumResetsCycleId: boolean;
}

const IMAGE_FLAGS = { apply: 0x02, pglz: 0x04, lz4: 0x08, zstd: 0x10 };
const PREPARE = { size: 72, gidLengthAt: 54, originAt: 56 };

const VERSION_14: PostgresVersion = {
  walMagic: 0xd10d,
  controlFileVersion: 1300,
  catalogVersion: 202107181,
  imageFlags: { apply: 0x04, pglz: 0x02, lz4: 0, zstd: 0 },
  checkpointHasWalLevel: false,
  controlFileCrcAt: 288,
  hasCheckpointRedo: false,
  hasCreateWalLog: false,
  slruPageNumberSize: 4,
  droppedStatsSize: 0,
  prepare: { size: 64, gidLengthAt: 46, originAt: 48 },
  twoPhaseNameDigits: 8,
  relationMapSize: 512,
  heapPruneIsUnified: false,
  freezePageLists: 'tuples',
  repairTruncatesLinePointers: false,
  gistDeleteSize: 6,
  spgistVacuumRedirectSize: 8,
  hashSqueezeStampsUnchanged: true,
  btreeVacuumResetsCycleId: false,
};
const VERSION_15: PostgresVersion = {
  ...VERSION_14,
  walMagic: 0xd110,
  catalogVersion: 202209061,
  imageFlags: IMAGE_FLAGS,
  hasCreateWalLog: true,
  droppedStatsSize: 12,
  prepare: PREPARE,
  repairTruncatesLinePointers: true,
};
const VERSION_16: PostgresVersion = {
  ...VERSION_15,
  walMagic: 0xd113,
  catalogVersion: 202307071,
  relationMapSize: 524,
  freezePageLists: 'plans',
  gistDeleteSize: 8,
  spgistVacuumRedirectSize: 10,
};
const VERSION_17: PostgresVersion = {
  ...VERSION_16,
  walMagic: 0xd116,
  controlFileVersion: 1700,
  catalogVersion: 202406281,
  checkpointHasWalLevel: true,
  hasCheckpointRedo: true,
  slruPageNumberSize: 8,
  twoPhaseNameDigits: 16,
  heapPruneIsUnified: true,
  hashSqueezeStampsUnchanged: false,
};
const VERSION_18: PostgresVersion = {
  ...VERSION_17,
  walMagic: 0xd118,
  controlFileVersion: 1800,
  catalogVersion: 202506291,
  controlFileCrcAt: 292,
  droppedStatsSize: 16,
  btreeVacuumResetsCycleId: true,
};

const VERSIONS: Readonly<Record<PostgresMajor, PostgresVersion>> = {
  14: VERSION_14,
  15: VERSION_15,
  16: VERSION_16,
  17: VERSION_17,
  18: VERSION_18,
};

export const POSTGRES_MAJORS: readonly PostgresMajor[] = [14, 15, 16, 17, 18];

export const isPostgresMajor = (major: number): major is PostgresMajor => major in VERSIONS;

export const versionOf = (major: PostgresMajor): PostgresVersion => VERSIONS[major];

/** The major whose catalogs carry `catalogVersion`, as pg_control names it; null when we do not know it. */
export const majorOfCatalogVersion = (catalogVersion: number): PostgresMajor | null =>
  POSTGRES_MAJORS.find((major) => VERSIONS[major].catalogVersion === catalogVersion) ?? null;
