/**
 * A file of a cleanly stopped data directory as versions of keys: what an initdb result is imported as.
 *
 *   C1  Every relation segment, SLRU segment and relation map becomes pages, sizes and contents; pages of zeros are left out,
 *       since that is what a page reads as that was never written.
 *   C2  A path that is none of these yields nothing.
 */
import { Corrupt } from '@neon/kernel';
import { Fork, SLRU_PAGES_PER_SEGMENT, type Slru } from '@neon/postgres';
import {
  CONTROL_FILE,
  type Key,
  databaseKey,
  relationMapKey,
  relationPagePrefix,
  relationSizePrefix,
  slruPagePrefix,
  slruSegmentPrefix,
} from '../key/key';
import { PAGE_SIZE } from '../read/page-content';
import { encodeSize } from '../timeline/fork-sizes';

export interface ImportedContent {
  readonly key: Key;
  readonly bytes: Uint8Array;
}

export const DEFAULT_TABLESPACE = 1663;
export const GLOBAL_TABLESPACE = 1664;
/** RELSEG_SIZE: blocks in one segment file of a relation. */
const SEGMENT_BLOCKS = 131_072;

const FORK_NAMES: Readonly<Record<string, Fork>> = { fsm: Fork.FSM, vm: Fork.VISIBILITY_MAP, init: Fork.INIT };
const SLRU_DIRECTORIES: Readonly<Record<string, Slru>> = {
  pg_xact: 'xact',
  'pg_multixact/offsets': 'multixact-offsets',
  'pg_multixact/members': 'multixact-members',
  pg_commit_ts: 'commit-ts',
};
export const SLRU_NAMES: readonly (readonly [Slru, string])[] = Object.entries(SLRU_DIRECTORIES).map(
  ([directory, slru]) => [slru, directory] as const,
);

const RELATION = /^(?:global|base\/(\d+))\/(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/;
const RELATION_MAP = /^(?:global|base\/(\d+))\/pg_filenode\.map$/;
const SLRU_SEGMENT = /^(pg_xact|pg_multixact\/offsets|pg_multixact\/members|pg_commit_ts)\/([0-9A-F]{4,6})$/;

/** Whether `importFile` makes anything of a path, so that others need not be read. */
export const isImported = (path: string): boolean =>
  path === 'global/pg_control' || RELATION.test(path) || RELATION_MAP.test(path) || SLRU_SEGMENT.test(path);

/** @param path relative to the data directory, with `/` */
export function importFile(path: string, content: Uint8Array): ImportedContent[] {
  if (path === 'global/pg_control') return [{ key: CONTROL_FILE, bytes: content }];
  const map = RELATION_MAP.exec(path);
  if (map !== null) {
    const id = databaseOfPath(map[1]);
    return [
      { key: databaseKey(id), bytes: Uint8Array.of(1) },
      { key: relationMapKey(id), bytes: content },
    ];
  }
  const relation = RELATION.exec(path);
  if (relation !== null) return importRelation(relation, wholePages(path, content));
  const segment = SLRU_SEGMENT.exec(path);
  return segment === null ? [] : importSlru(segment, wholePages(path, content));
}

const databaseOfPath = (database: string | undefined) =>
  database === undefined
    ? { tablespaceOid: GLOBAL_TABLESPACE, databaseOid: 0 }
    : { tablespaceOid: DEFAULT_TABLESPACE, databaseOid: Number(database) };

function importRelation(
  [, database, number = '', fork, segment = '0']: RegExpExecArray,
  pages: Uint8Array[],
): ImportedContent[] {
  const id = { ...databaseOfPath(database), relationNumber: Number(number) };
  const forkNumber = fork === undefined ? Fork.MAIN : (FORK_NAMES[fork] ?? Fork.MAIN);
  const first = Number(segment) * SEGMENT_BLOCKS;
  return [
    // The size of the last segment, read in order, is the one that stays.
    { key: { prefix: relationSizePrefix(id, forkNumber), index: 0 }, bytes: encodeSize(first + pages.length) },
    ...contents(pages, (i) => ({ prefix: relationPagePrefix(id, forkNumber), index: first + i })),
  ];
}

function importSlru([, directory = '', name = '']: RegExpExecArray, pages: Uint8Array[]): ImportedContent[] {
  const slru = SLRU_DIRECTORIES[directory];
  if (slru === undefined) return [];
  const segment = parseInt(name, 16);
  return [
    { key: { prefix: slruSegmentPrefix(slru), index: segment }, bytes: encodeSize(pages.length) },
    ...contents(pages, (i) => ({ prefix: slruPagePrefix(slru), index: segment * SLRU_PAGES_PER_SEGMENT + i })),
  ];
}

const contents = (pages: readonly Uint8Array[], keyOf: (i: number) => Key): ImportedContent[] =>
  pages.flatMap((bytes, i) => (isZero(bytes) ? [] : [{ key: keyOf(i), bytes }]));

function wholePages(path: string, content: Uint8Array): Uint8Array[] {
  if (content.length % PAGE_SIZE !== 0)
    throw new Corrupt(`${path} is not a whole number of pages: ${content.length} bytes`);
  return Array.from({ length: content.length / PAGE_SIZE }, (_, i) =>
    content.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE),
  );
}

function isZero(page: Uint8Array): boolean {
  const words = new BigUint64Array(page.buffer, page.byteOffset, page.length / 8);
  return words.every((word) => word === 0n);
}
