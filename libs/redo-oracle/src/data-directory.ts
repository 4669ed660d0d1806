/**
 * A data directory's files as pages: which relation a file belongs to, and its blocks.
 */
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Fork, PAGE_SIZE, SLRU_PAGES_PER_SEGMENT, slruSegmentOf, type RelationId, type Slru } from '@neon/postgres';

const SEGMENT_BLOCKS = 131_072;
const DEFAULT_TABLESPACE = 1663;
const GLOBAL_TABLESPACE = 1664;
const FORK_OF_SUFFIX: Readonly<Record<string, Fork>> = { fsm: Fork.FSM, vm: Fork.VISIBILITY_MAP, init: Fork.INIT };
/** Not matched by temporary relations, which begin with t<backend>. */
const RELATION_FILE = /^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/;

export const SLRU_DIRECTORIES: Readonly<Record<Slru, string>> = {
  xact: 'pg_xact',
  'multixact-offsets': 'pg_multixact/offsets',
  'multixact-members': 'pg_multixact/members',
  'commit-ts': 'pg_commit_ts',
};
export const SLRUS = Object.keys(SLRU_DIRECTORIES) as Slru[];

export interface RelationFile {
  readonly path: string;
  readonly relation: RelationId;
  readonly fork: Fork;
  /** Number of the file's first block. */
  readonly firstBlock: number;
}

interface DatabaseDirectory {
  readonly path: string;
  readonly tablespaceOid: number;
  readonly databaseOid: number;
}

export function databaseDirectories(dataDir: string): DatabaseDirectory[] {
  const base = join(dataDir, 'base');
  return [
    { path: join(dataDir, 'global'), tablespaceOid: GLOBAL_TABLESPACE, databaseOid: 0 },
    ...readdirSync(base)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => ({ path: join(base, name), tablespaceOid: DEFAULT_TABLESPACE, databaseOid: Number(name) })),
  ];
}

export function relationFiles({ path, tablespaceOid, databaseOid }: DatabaseDirectory): RelationFile[] {
  return readdirSync(path).flatMap((name) => {
    const match = RELATION_FILE.exec(name);
    if (match === null) return [];
    return {
      path: join(path, name),
      relation: { tablespaceOid, databaseOid, relationNumber: Number(match[1]) },
      fork: match[2] === undefined ? Fork.MAIN : (FORK_OF_SUFFIX[match[2]] ?? Fork.MAIN),
      firstBlock: Number(match[3] ?? 0) * SEGMENT_BLOCKS,
    };
  });
}

/** The pages of a file with their positions in it, in order. */
export function* pagesOf(path: string): Generator<readonly [number, Uint8Array]> {
  const content = new Uint8Array(readFileSync(path));
  for (let index = 0; (index + 1) * PAGE_SIZE <= content.length; index++)
    yield [index, content.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE)];
}

/** The segment file that holds a page of an SLRU (SlruFileName). */
export const slruFile = (dataDir: string, slru: Slru, page: number): string =>
  join(dataDir, SLRU_DIRECTORIES[slru], slruSegmentOf(page).toString(16).toUpperCase().padStart(4, '0'));

/** All pages of an SLRU by page number. */
export function* slruPagesOf(dataDir: string, slru: Slru): Generator<readonly [number, Uint8Array]> {
  const directory = join(dataDir, SLRU_DIRECTORIES[slru]);
  for (const name of existsSync(directory) ? readdirSync(directory).sort() : []) {
    const first = parseInt(name, 16) * SLRU_PAGES_PER_SEGMENT;
    for (const [index, page] of pagesOf(join(directory, name))) yield [first + index, page];
  }
}

export function readRelationMap({ path }: DatabaseDirectory): Uint8Array | null {
  const file = join(path, 'pg_filenode.map');
  return existsSync(file) ? new Uint8Array(readFileSync(file)) : null;
}
