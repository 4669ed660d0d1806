/**
 * After a clean stop, every file of the data directory that WAL speaks of against the replayed store.
 *
 *   F1  Main, init and visibility map forks are equal page by page, masked by what each page is, and in what the masks hide
 *       (libs/postgres, page/hidden-state); a page that replay does not have is all zeros in the file. The free space map is a
 *       hint and not compared.
 *   F2  What replay still has, the directory has too, and the other way round, SLRU pages included.
 *   F3  Relation maps, SLRU pages and the files of prepared transactions are equal byte for byte.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  Fork,
  PAGE_SIZE,
  comparePages,
  fileHides,
  pageKindOf,
  type Mismatch,
  type PageKind,
  type PostgresMajor,
  type Slru,
} from '@neon/postgres';
import {
  SLRUS,
  databaseDirectories,
  pagesOf,
  readRelationMap,
  relationFiles,
  slruPagesOf,
  type RelationFile,
} from './data-directory';
import { transactionDifferences } from './final-transactions';
import { relationMapKey, type ForkPages, type PageStore } from './page-store';
import { NOWHERE, excerpt, type Findings, type PageMismatch } from './report';
import { isToleratedAtEnd } from './tolerance';

const ZERO_PAGE = new Uint8Array(PAGE_SIZE);
/** Equal to no page: unlike a relation, an SLRU has a page only once WAL has told of it. */
const NO_PAGE = new Uint8Array(0);
const DEFAULT_TABLESPACE = 1663;

export interface FinalState {
  readonly major: PostgresMajor;
  readonly dataDir: string;
  readonly store: PageStore;
  readonly findings: Findings;
  /** Databases whose visibility maps replay empty (T2). */
  readonly loggedDatabases: ReadonlySet<number>;
  /** Commits of transactions with an xid. */
  readonly commitCount: number;
}

export function compareFinalState(state: FinalState): void {
  const seen = new Set<ForkPages>();
  for (const directory of databaseDirectories(state.dataDir)) {
    const files = relationFiles(directory);
    const unlogged = new Set(
      files.filter(({ fork }) => fork === Fork.INIT).map(({ relation }) => relation.relationNumber),
    );
    for (const file of files) {
      const replayed = state.store.fork(file.relation, file.fork);
      if (replayed !== undefined) seen.add(replayed);
      const isLogged = file.fork === Fork.INIT || !unlogged.has(file.relation.relationNumber);
      if (file.fork !== Fork.FSM && isLogged) compareFile(state, file, replayed);
    }
    compareRelationMap(state, directory);
  }
  for (const fork of state.store.forks()) if (!seen.has(fork)) reportLeftover(state, fork);
  for (const slru of SLRUS) compareSlru(state, slru);
  comparePrepared(state);
  for (const text of transactionDifferences({ ...state, notes: state.store.notes }))
    report(state, { page: state.dataDir, kind: 'file', text });
}

function compareFile(state: FinalState, file: RelationFile, replayed: ForkPages | undefined): void {
  let blockCount = file.firstBlock;
  for (const [index, page] of pagesOf(file.path)) {
    blockCount = file.firstBlock + index + 1;
    comparePage(state, { file, block: file.firstBlock + index, page, replayed });
  }
  if (replayed === undefined && file.fork !== Fork.VISIBILITY_MAP)
    report(state, { page: file.path, kind: 'file', text: 'there is a file, but it was not replayed' });
  const isLastSegment = (replayed?.blockCount ?? 0) <= file.firstBlock + 131_072;
  if (replayed !== undefined && isLastSegment && replayed.blockCount > blockCount)
    report(state, { page: file.path, kind: 'file', text: `${blockCount} blocks, replayed ${replayed.blockCount}` });
}

interface ComparedPage {
  readonly file: RelationFile;
  readonly block: number;
  readonly page: Uint8Array;
  readonly replayed: ForkPages | undefined;
}

function comparePage(state: FinalState, { file, block, page, replayed }: ComparedPage): void {
  state.findings.finalPagesCompared++;
  const actual = replayed?.pages[block] ?? ZERO_PAGE;
  const kind = file.fork === Fork.VISIBILITY_MAP ? 'visibility-map' : pageKindOf(page, block);
  const mismatch = finalDifference(page, actual, { kind, block });
  if (mismatch === null) return;
  const { loggedDatabases, major } = state;
  if (isToleratedAtEnd(mismatch, { ...file, loggedDatabases, major })) {
    state.findings.toleratedPages++;
    return;
  }
  state.findings.add({
    where: 'final state',
    what: 'page',
    page: `${file.path} block ${block}`,
    kind,
    offset: mismatch.offset,
    byteCount: mismatch.byteCount,
    expected: excerpt(mismatch.expected, mismatch.offset),
    actual: excerpt(mismatch.actual, mismatch.offset),
  });
}

/** How a page that replay leads to differs from the one that the server left in its file. */
export function finalDifference(
  page: Uint8Array,
  actual: Uint8Array,
  { kind, block }: { kind: PageKind; block: number },
): Mismatch | null {
  const mismatch = comparePages(page, actual, { kind, block, fromFile: true });
  if (mismatch !== null) return mismatch;
  const difference = fileHides(page, actual, { kind, lsns: [] });
  return difference === null ? null : { kind, ...difference, expected: page.slice(), actual: actual.slice() };
}

/** Forks of other tablespaces than the default ones are not read from the directory. */
function reportLeftover(state: FinalState, { relation, fork, pages }: ForkPages): void {
  if (fork === Fork.FSM || relation.tablespaceOid > DEFAULT_TABLESPACE + 1 || pages.length === 0) return;
  const { tablespaceOid, databaseOid, relationNumber } = relation;
  report(state, {
    page: `${tablespaceOid}/${databaseOid}/${relationNumber} fork ${fork}`,
    kind: 'file',
    text: 'replayed, but there is no such file',
  });
}

function compareRelationMap(state: FinalState, directory: ReturnType<typeof databaseDirectories>[number]): void {
  const expected = readRelationMap(directory);
  const actual = state.store.relationMaps.get(relationMapKey(directory));
  if (expected === null) return;
  if (actual === undefined || Buffer.compare(expected, actual) !== 0)
    report(state, { page: `${directory.path}/pg_filenode.map`, kind: 'file', text: 'differs' });
}

function compareSlru(state: FinalState, slru: Slru): void {
  const replayed = state.store.slruPages(slru);
  const onDisk = new Set<number>();
  for (const [number, page] of slruPagesOf(state.dataDir, slru)) {
    state.findings.finalPagesCompared++;
    onDisk.add(number);
    const actual = replayed.get(number) ?? NO_PAGE;
    const offset = page.findIndex((byte, index) => byte !== actual[index]);
    if (offset < 0) continue;
    state.findings.add({
      where: 'final state',
      what: 'SLRU page',
      page: `${slru} page ${number}`,
      kind: 'slru',
      offset,
      byteCount: page.reduce((count, byte, index) => count + (byte === actual[index] ? 0 : 1), 0),
      expected: excerpt(page, offset),
      actual: excerpt(actual, offset),
    });
  }
  for (const number of replayed.keys())
    if (!onDisk.has(number))
      report(state, { page: `${slru} page ${number}`, kind: 'file', text: 'replayed, but there is no such file' });
}

/** Files of pg_twophase; from 17 on their names carry the epoch before the xid. */
function comparePrepared({ dataDir, store, findings }: FinalState): void {
  const directory = join(dataDir, 'pg_twophase');
  const names = readdirSync(directory);
  const xids = names.map((name) => Number.parseInt(name.slice(-8), 16));
  for (const [index, name] of names.entries()) {
    const expected = store.preparedTransactions.get(xids[index] ?? 0);
    if (expected === undefined || Buffer.compare(expected, readFileSync(join(directory, name))) !== 0)
      report({ findings }, { page: join(directory, name), kind: 'file', text: 'differs' });
  }
  for (const xid of store.preparedTransactions.keys())
    if (!xids.includes(xid))
      report(
        { findings },
        { page: `prepared transaction ${xid}`, kind: 'file', text: 'replayed, but there is no file' },
      );
}

function report(
  state: Pick<FinalState, 'findings'>,
  { page, kind, text }: { page: string; kind: PageMismatch['kind']; text: string },
): void {
  state.findings.add({ where: 'final state', what: text, page, kind, ...NOWHERE });
}
