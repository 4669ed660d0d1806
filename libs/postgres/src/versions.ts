/**
 * Everything in which the WAL and control file formats of Postgres 14–18 differ, as data.
 *
 * Sizes and codes not listed here are the same in all five majors. Minor releases share a major's table; where one of them
 * changed a record inside a major (visibility-map blocks registered by heap records), the record itself tells.
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
  /** CheckPoint.wal_level exists, in what was padding before. */
  readonly checkpointHasWalLevel: boolean;
  /** Width of an SLRU page number in ZEROPAGE and TRUNCATE records. */
  readonly slruPageNumberSize: 4 | 8;
  /** Size of a dropped statistics item in commit and abort records; 0 where there are none. */
  readonly droppedStatsSize: 0 | 12 | 16;
  /** sizeof(xl_xact_prepare), and where it keeps the GID's length and the origin. */
  readonly prepare: { readonly size: number; readonly gidLengthAt: number; readonly originAt: number };
  /** Digits of a file name in pg_twophase: 16 carry the epoch. */
  readonly twoPhaseNameDigits: 8 | 16;
  /** Size of pg_filenode.map. */
  readonly relationMapSize: 512 | 524;
}

const IMAGE_FLAGS = { apply: 0x02, pglz: 0x04, lz4: 0x08, zstd: 0x10 };
const PREPARE = { size: 72, gidLengthAt: 54, originAt: 56 };

const VERSION_14: PostgresVersion = {
  walMagic: 0xd10d,
  controlFileVersion: 1300,
  catalogVersion: 202107181,
  imageFlags: { apply: 0x04, pglz: 0x02, lz4: 0, zstd: 0 },
  checkpointHasWalLevel: false,
  slruPageNumberSize: 4,
  droppedStatsSize: 0,
  prepare: { size: 64, gidLengthAt: 46, originAt: 48 },
  twoPhaseNameDigits: 8,
  relationMapSize: 512,
};
const VERSION_15: PostgresVersion = {
  ...VERSION_14,
  walMagic: 0xd110,
  catalogVersion: 202209061,
  imageFlags: IMAGE_FLAGS,
  droppedStatsSize: 12,
  prepare: PREPARE,
};
const VERSION_16: PostgresVersion = {
  ...VERSION_15,
  walMagic: 0xd113,
  catalogVersion: 202307071,
  relationMapSize: 524,
};
const VERSION_17: PostgresVersion = {
  ...VERSION_16,
  walMagic: 0xd116,
  controlFileVersion: 1700,
  catalogVersion: 202406281,
  checkpointHasWalLevel: true,
  slruPageNumberSize: 8,
  twoPhaseNameDigits: 16,
};
const VERSION_18: PostgresVersion = {
  ...VERSION_17,
  walMagic: 0xd118,
  controlFileVersion: 1800,
  catalogVersion: 202506291,
  droppedStatsSize: 16,
};

const VERSIONS: Readonly<Record<PostgresMajor, PostgresVersion>> = {
  14: VERSION_14,
  15: VERSION_15,
  16: VERSION_16,
  17: VERSION_17,
  18: VERSION_18,
};

export const POSTGRES_MAJORS: readonly PostgresMajor[] = [14, 15, 16, 17, 18];

export const versionOf = (major: PostgresMajor): PostgresVersion => VERSIONS[major];

/** The major whose catalogs carry `catalogVersion`, as pg_control names it; null when we do not know it. */
export const majorOfCatalogVersion = (catalogVersion: number): PostgresMajor | null =>
  POSTGRES_MAJORS.find((major) => VERSIONS[major].catalogVersion === catalogVersion) ?? null;
