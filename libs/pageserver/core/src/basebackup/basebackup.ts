/**
 * The tarball a compute starts from at an LSN: everything small, and how long each relation is (contract: basebackup.ts).
 *
 *   B1  Its content is the timeline's state at the LSN exactly: no record above it shows.
 *   B2  The LSN is a record boundary whose previous record is known; any other is `NotARecordBoundary`.
 *   B3  The checkpoint in the manifest is what a clean shutdown at the LSN would have left.
 *   B4  Who is about to write at the LSN never gets one below what is ingested: `HistoryDiverged`.
 *   B5  The page of pg_xact that nextXid falls on is there, if nextXid is not its first: `TrimCLOG` reads it. Just after the xids went round
 *       nobody may have made it yet, and nextXid runs ahead of what was assigned.
 */
import { ByteWriter, Corrupt, type Lsn, Lsn as LsnOf, Refusal } from '@neon/kernel';
import type { BasebackupManifest } from '@neon/pageserver-contract';
import { Checkpoint, Fork, FullXid, SLRU_ENTRIES_PER_PAGE, SLRU_PAGES_PER_SEGMENT, TwoPhaseFile } from '@neon/postgres';
import { DEFAULT_TABLESPACE, GLOBAL_TABLESPACE, SLRU_NAMES } from '../import/cluster-file';
import {
  CHECKPOINT,
  CONTROL_FILE,
  type DatabaseId,
  type Key,
  Kind,
  databaseOf,
  rangeOfKind,
  relationOf,
  relationPagePrefix,
  slruOf,
  slruPagePrefix,
} from '../key/key';
import { PAGE_SIZE } from '../read/page-content';
import { decodeSize } from '../timeline/fork-sizes';
import { recordBoundary } from '../timeline/page-request';
import type { Timeline } from '../timeline/timeline';
import { tarEnd, tarEntry } from './ustar';

interface ForkLength {
  readonly relation: DatabaseId & { readonly relationNumber: number };
  readonly fork: Fork;
  readonly blockCount: number;
}

export interface BasebackupWanted {
  readonly lsn: Lsn;
  /** Whether a compute is about to write there. */
  readonly head: boolean;
}

/** @returns the tarball in pieces. @throws Refusal, Corrupt */
export async function basebackup(
  timeline: Timeline,
  { lsn: asked, head }: BasebackupWanted,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const lsn = recordBoundary(asked, timeline.index.walSegmentSize);
  await timeline.waitFor(lsn, signal);
  if (head && timeline.lastRecordLsn > lsn)
    throw new Refusal(
      'HistoryDiverged',
      `${LsnOf.format(lsn)} is not the end of timeline ${timeline.describe()}: writing there would fork its history`,
    );
  const prevRecordLsn = await timeline.recordBefore(lsn);
  if (prevRecordLsn === null)
    throw new Refusal(
      'NotARecordBoundary',
      `${LsnOf.format(lsn)} is not a record boundary that a compute can start at`,
    );
  const files = new Map<string, Uint8Array>();
  const put = (name: string, content: Uint8Array): void => void files.set(name, content);
  const [checkpoint = null, control = null] = await timeline.contentsAt([CHECKPOINT, CONTROL_FILE], lsn);
  if (checkpoint === null || control === null)
    throw new Corrupt(`no checkpoint or control file at ${LsnOf.format(lsn)}`);
  const shutdown = { ...Checkpoint.parse(checkpoint, timeline.major), redoLsn: lsn };
  const forks = await forkLengths(timeline, lsn);
  put('neon/manifest.json', encodeText(JSON.stringify(manifest(timeline, { lsn: asked, prevRecordLsn, shutdown }))));
  put('neon/relations', encodeRelations(forks));
  put('PG_VERSION', encodeText(`${timeline.major}\n`));
  await putDatabases(timeline, lsn, put);
  await putSlrus(timeline, lsn, put);
  putNextXidPage(files, shutdown.nextXid);
  await putTwoPhase(timeline, { lsn, nextXid: shutdown.nextXid }, put);
  await putInitForks(timeline, { lsn, forks }, put);
  put('global/pg_control', control);
  return [...[...files].flatMap(([name, content]) => tarEntry(name, content)), tarEnd()];
}

type Put = (name: string, content: Uint8Array) => void;
const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text);

function manifest(
  { index }: Timeline,
  { lsn, prevRecordLsn, shutdown }: { lsn: Lsn; prevRecordLsn: Lsn; shutdown: Checkpoint },
): BasebackupManifest {
  const bytes = Checkpoint.encode(shutdown, index.pgMajor);
  return {
    version: 1,
    tenantId: index.tenantId,
    timelineId: index.timelineId,
    pgMajor: index.pgMajor,
    systemId: index.systemId,
    walSegmentSize: index.walSegmentSize,
    lsn: LsnOf.format(lsn),
    prevRecordLsn: LsnOf.format(prevRecordLsn),
    checkpoint: btoa(String.fromCharCode(...bytes)),
  };
}

/** Existing content of all keys of a kind. */
async function contentsOf(timeline: Timeline, kind: Kind, lsn: Lsn): Promise<{ key: Key; content: Uint8Array }[]> {
  const keys = await timeline.keysIn(rangeOfKind(kind));
  const contents = await timeline.contentsAt(keys, lsn);
  return keys.flatMap((key, i) => {
    const content = contents[i] ?? null;
    return content === null ? [] : [{ key, content }];
  });
}

async function forkLengths(timeline: Timeline, lsn: Lsn): Promise<ForkLength[]> {
  const sizes = await contentsOf(timeline, Kind.RELATION_SIZE, lsn);
  return sizes.map(({ key, content }) => ({ ...relationOf(key.prefix), blockCount: decodeSize(content) ?? 0 }));
}

function encodeRelations(forks: readonly ForkLength[]): Uint8Array {
  const out = new ByteWriter(forks.length * 17);
  for (const { relation, fork, blockCount } of forks) {
    if (fork === Fork.FSM) continue;
    out.u32(relation.tablespaceOid).u32(relation.databaseOid).u32(relation.relationNumber).u8(fork).u32(blockCount);
  }
  return out.finish();
}

function directoryOf({ tablespaceOid, databaseOid }: DatabaseId): string {
  if (tablespaceOid === GLOBAL_TABLESPACE) return 'global';
  if (tablespaceOid === DEFAULT_TABLESPACE) return `base/${databaseOid}`;
  throw new Corrupt(`a database in tablespace ${tablespaceOid}, which is not supported`);
}

async function putDatabases(timeline: Timeline, lsn: Lsn, put: Put): Promise<void> {
  for (const { key } of await contentsOf(timeline, Kind.DATABASE, lsn)) {
    const directory = directoryOf(databaseOf(key.prefix));
    if (directory !== 'global') put(`${directory}/PG_VERSION`, encodeText(`${timeline.major}\n`));
  }
  for (const { key, content } of await contentsOf(timeline, Kind.RELATION_MAP, lsn))
    put(`${directoryOf(databaseOf(key.prefix))}/pg_filenode.map`, content);
}

async function putSlrus(timeline: Timeline, lsn: Lsn, put: Put): Promise<void> {
  const directories = new Map(SLRU_NAMES);
  for (const { key, content } of await contentsOf(timeline, Kind.SLRU_SEGMENT, lsn)) {
    const slru = slruOf(key.prefix);
    const prefix = slruPagePrefix(slru);
    const first = key.index * SLRU_PAGES_PER_SEGMENT;
    const keys = Array.from({ length: decodeSize(content) ?? 0 }, (_, i) => ({ prefix, index: first + i }));
    put(`${directories.get(slru) ?? slru}/${segmentName(key.index)}`, joined(await timeline.pagesAt(keys, lsn)));
  }
}

/** B5. */
function putNextXidPage(files: Map<string, Uint8Array>, nextXid: number): void {
  const xid = FullXid.xid(nextXid);
  if (xid % SLRU_ENTRIES_PER_PAGE.xact === 0) return;
  const page = Math.floor(xid / SLRU_ENTRIES_PER_PAGE.xact);
  const segment = Math.floor(page / SLRU_PAGES_PER_SEGMENT);
  const name = `${new Map(SLRU_NAMES).get('xact') ?? ''}/${segmentName(segment)}`;
  const content = files.get(name) ?? new Uint8Array(0);
  const size = ((page % SLRU_PAGES_PER_SEGMENT) + 1) * PAGE_SIZE;
  if (content.length >= size) return;
  const extended = new Uint8Array(size);
  extended.set(content);
  files.set(name, extended);
}

const segmentName = (segment: number): string => segment.toString(16).toUpperCase().padStart(4, '0');

async function putTwoPhase(timeline: Timeline, at: { lsn: Lsn; nextXid: number }, put: Put): Promise<void> {
  const { major } = timeline;
  for (const { key, content } of await contentsOf(timeline, Kind.TWO_PHASE, at.lsn))
    put(`pg_twophase/${TwoPhaseFile.fileName({ major, xid: key.index, nextXid: at.nextXid })}`, content);
}

/** Unlogged relations start empty: a compute copies the init fork over the main one. */
async function putInitForks(
  timeline: Timeline,
  { lsn, forks }: { lsn: Lsn; forks: readonly ForkLength[] },
  put: Put,
): Promise<void> {
  for (const { relation, fork, blockCount } of forks) {
    if (fork !== Fork.INIT) continue;
    const prefix = relationPagePrefix(relation, fork);
    const pages = await timeline.pagesAt(
      Array.from({ length: blockCount }, (_, index) => ({ prefix, index })),
      lsn,
    );
    put(`${directoryOf(relation)}/${relation.relationNumber}_init`, joined(pages));
  }
}

function joined(pages: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pages.reduce((size, page) => size + page.length, 0));
  let at = 0;
  for (const page of pages) {
    whole.set(page, at);
    at += page.length;
  }
  return whole;
}
