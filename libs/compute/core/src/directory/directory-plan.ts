/**
 * What a compute's data directory is made of, from the basebackup it starts at.
 *
 *   D1  Every relation segment the basebackup lists exists with its right length and no content; its pages are fetched
 *       when they are read, and the arena has an entry for exactly these segments.
 *   D2  An unlogged relation starts empty: its main fork is its init fork, its other forks are absent, and none of them
 *       is in the arena. After a clean shutdown Postgres would not reset it, so this is where it happens.
 *   D3  Free space maps are absent: Postgres rebuilds them, and WAL does not describe them.
 *   D4  Nothing leaves the directory: a path that is absolute or climbs is refused.
 */
import { RELATION_ENTRY_SIZE } from '@neon/pageserver-contract';
import { ByteReader, Corrupt } from '@neon/kernel';

export interface RelationFork {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  readonly fork: number;
  readonly blockCount: number;
}

/** One 1 GiB file of a relation fork whose pages are fetched on demand. */
export interface Placeholder extends RelationFork {
  readonly path: string;
  readonly segment: number;
  /** Of this segment. */
  readonly blockCount: number;
}

export interface PlannedFile {
  readonly path: string;
  readonly content: Uint8Array;
}

export interface DirectoryPlan {
  /** Parents before children. */
  readonly directories: readonly string[];
  readonly files: readonly PlannedFile[];
  readonly placeholders: readonly Placeholder[];
}

const PAGE_SIZE = 8192;
/** RELSEG_SIZE of every stock build. */
const SEGMENT_BLOCKS = 131_072;
const DEFAULT_TABLESPACE = 1663;
const SHARED_TABLESPACE = 1664;
const FORK_SUFFIXES = ['', '_fsm', '_vm', '_init'];
const FSM_FORK = 1;
const INIT_FORK = 3;

/** What initdb makes and Postgres expects to find. */
const SKELETON = [
  'base',
  'global',
  'pg_commit_ts',
  'pg_dynshmem',
  'pg_logical',
  'pg_logical/mappings',
  'pg_logical/snapshots',
  'pg_multixact',
  'pg_multixact/members',
  'pg_multixact/offsets',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_tblspc',
  'pg_twophase',
  'pg_wal',
  'pg_wal/archive_status',
  'pg_wal/summaries',
  'pg_xact',
];

/** @throws Corrupt when it is not a whole number of entries, or one is in a tablespace that computes do not have */
export function decodeRelations(bytes: Uint8Array): RelationFork[] {
  if (bytes.length % RELATION_ENTRY_SIZE !== 0) throw new Corrupt(`relation list of ${bytes.length} bytes`);
  const reader = new ByteReader(bytes);
  return Array.from({ length: bytes.length / RELATION_ENTRY_SIZE }, () => ({
    tablespaceOid: reader.u32(),
    databaseOid: reader.u32(),
    relationNumber: reader.u32(),
    fork: reader.u8(),
    blockCount: reader.u32(),
  }));
}

export interface DirectoryInput {
  readonly relations: readonly RelationFork[];
  /** The basebackup's small files: init forks among them, `neon/*` not. */
  readonly files: readonly PlannedFile[];
}

/** @throws Corrupt when a path leaves the directory, or an init fork is listed without its content */
export function planDirectory({ relations, files }: DirectoryInput): DirectoryPlan {
  for (const { path } of files) checkPath(path);
  const contents = new Map(files.map((file) => [file.path, file.content]));
  const unlogged = new Map<string, Uint8Array>();
  for (const relation of relations) {
    if (relation.fork !== INIT_FORK) continue;
    const content = contents.get(pathOf(relation));
    if (content?.length !== relation.blockCount * PAGE_SIZE)
      throw new Corrupt(`init fork ${pathOf(relation)}: content does not match its length`);
    unlogged.set(mainPathOf(relation), content);
  }
  const placeholders = relations
    .filter(({ fork }) => fork !== INIT_FORK && fork !== FSM_FORK)
    .filter((relation) => !unlogged.has(mainPathOf(relation)))
    .flatMap(segmentsOf);
  const resets = [...unlogged].map(([path, content]) => ({ path, content }));
  return { directories: directoriesOf(files, placeholders), files: [...files, ...resets], placeholders };
}

function segmentsOf(relation: RelationFork): Placeholder[] {
  const path = pathOf(relation);
  const count = Math.max(1, Math.ceil(relation.blockCount / SEGMENT_BLOCKS));
  return Array.from({ length: count }, (_, segment) => ({
    ...relation,
    segment,
    path: segment === 0 ? path : `${path}.${segment}`,
    blockCount: Math.min(SEGMENT_BLOCKS, relation.blockCount - segment * SEGMENT_BLOCKS),
  }));
}

/** As common/relpath.c names it. */
function pathOf({ tablespaceOid, databaseOid, relationNumber, fork }: RelationFork): string {
  const suffix = FORK_SUFFIXES[fork];
  if (suffix === undefined) throw new Corrupt(`unknown fork ${fork} of relation ${relationNumber}`);
  if (tablespaceOid === SHARED_TABLESPACE) return `global/${relationNumber}${suffix}`;
  if (tablespaceOid === DEFAULT_TABLESPACE) return `base/${databaseOid}/${relationNumber}${suffix}`;
  throw new Corrupt(`relation ${relationNumber} is in tablespace ${tablespaceOid}`);
}

const mainPathOf = (relation: RelationFork): string => pathOf({ ...relation, fork: 0 });

function directoriesOf(files: readonly PlannedFile[], placeholders: readonly Placeholder[]): string[] {
  const parents = [...files, ...placeholders].map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('/'))));
  const directories = new Set([...SKELETON, ...parents.filter((parent) => parent !== '')]);
  return [...directories].sort();
}

function checkPath(path: string): void {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0'))
    throw new Corrupt(`basebackup names a file outside the directory: ${JSON.stringify(path)}`);
}
