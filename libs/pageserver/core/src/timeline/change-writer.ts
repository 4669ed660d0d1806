/**
 * What the changes of a record become in the store: versions of keys.
 *
 *   W1  A page written beyond its run's end extends it. Pages skipped over, and a page whose first change needs an earlier
 *       content, become zeros at that LSN: what a former, truncated or dropped run had there never shows again.
 *   W2  All versions of one record carry its end LSN, and are put, and the record noted as applied, without anything else
 *       in between.
 *   W3  What a record needs to know of the store (sizes, the relations of a database) is loaded before the first put.
 *   W4  A commit is noted after the record's other changes, with the logical size they leave.
 *   W5  A delta that only matters where its page exists never makes a run longer.
 *   W6  Of a record that failed half-way nothing is remembered here: sizes are those before it.
 *   W7  A page far beyond its run's end is refused: to fill such a gap would take all memory.
 */
import { ByteWriter, Corrupt, type Lsn, type UnwrittenBytes, assert, unreachable } from '@neon/kernel';
import {
  type Change,
  Fork,
  type PageId,
  type Slru,
  type SlruTruncation,
  type UnwrittenChange,
  isTruncatedSegment,
  slruSegmentOf,
} from '@neon/postgres';
import {
  type DatabaseId,
  type Key,
  type KeyRange,
  Kind,
  REPLICATION_ORIGIN,
  TWO_PHASE,
  databaseKey,
  inDatabase,
  rangeOfKind,
  relationMapKey,
  relationOf,
  slruOf,
} from '../key/key';
import { DELTA, DELTA_INIT, IMAGE, type ValueKind } from '../layer/value';
import type { DatabaseCopy } from '../read/key-read';
import { PAGE_SIZE, pageText } from '../read/page-content';
import type { CommitBoundary } from './commit-index';
import { type ForkSizes, NO_CONTENT, type PageRun, decodeSize, encodeSize, forkRun, segmentRun } from './fork-sizes';

/** One ingested record, as the store sees it. */
export interface IngestedRecord {
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
  readonly changes: readonly UnwrittenChange[];
  readonly tracked: readonly TrackedFile[];
}

/** The checkpoint or the control file, when the record changed it. */
export interface TrackedFile {
  readonly key: Key;
  readonly content: Uint8Array;
}

/** What the writer needs of its timeline. */
export interface ChangeTarget {
  put(key: Key, lsn: Lsn, kind: ValueKind, bytes: Uint8Array | UnwrittenBytes): void;
  commit(boundary: CommitBoundary): void;
  /** A record is about to be put: until `applied` the store may hold a part of it. */
  applying(): void;
  applied(record: IngestedRecord): void;
  copied(copy: DatabaseCopy): void;
  /** Content at the end of ingest. */
  contents(keys: readonly Key[]): Promise<(Uint8Array | null)[]>;
  keysIn(range: KeyRange): Promise<Key[]>;
}

const FORKS: readonly Fork[] = [Fork.MAIN, Fork.FSM, Fork.VISIBILITY_MAP, Fork.INIT];
const EXISTS = Uint8Array.of(1);
/** Pages that a write may skip: 32 GiB, more than a hash index ever extends at once. */
const GAP_PAGES_MAX = 2 ** 22;

/** Runs of pages and other content that a record's changes touch, beyond the pages they name. */
interface Surroundings {
  /** Per change: the runs that exist in the database or SLRU it is about. */
  readonly runs: ReadonlyMap<UnwrittenChange, readonly PageRun[]>;
  readonly relationMaps: ReadonlyMap<UnwrittenChange, Uint8Array | null>;
}
const NOTHING_AROUND: Surroundings = { runs: new Map(), relationMaps: new Map() };

export class ChangeWriter {
  /** Sum of relation sizes at the end of ingest. */
  logicalSizeBytes: number;

  constructor(
    private readonly target: ChangeTarget,
    private readonly sizes: ForkSizes,
    logicalSizeBytes: number,
  ) {
    this.logicalSizeBytes = logicalSizeBytes;
  }

  /** Writes at once when everything needed is known; otherwise answers a promise of having written. */
  write(record: IngestedRecord): Promise<void> | undefined {
    this.sizes.trim();
    for (const change of record.changes)
      if (!this.isPrepared(change)) return this.prepare(record.changes).then((around) => this.putAll(record, around));
    this.putAll(record, NOTHING_AROUND);
    return undefined;
  }

  private isPrepared(change: UnwrittenChange): boolean {
    switch (change.kind) {
      case 'page-delta':
      case 'page-image':
        return this.sizes.find(change.page) !== undefined;
      case 'relation-create':
      case 'relation-truncate':
        return this.sizes.findFork(change.relation, change.fork) !== undefined;
      case 'relation-drop':
        return FORKS.every((fork) => this.sizes.findFork(change.relation, fork) !== undefined);
      case 'database-create':
        return change.copyOf === null;
      case 'database-drop':
      case 'slru-truncate':
        return false;
      default:
        return true;
    }
  }

  private async prepare(changes: readonly UnwrittenChange[]): Promise<Surroundings> {
    const runs = new Map<UnwrittenChange, readonly PageRun[]>();
    const relationMaps = new Map<UnwrittenChange, Uint8Array | null>();
    for (const change of changes) {
      if (this.isPrepared(change)) continue;
      switch (change.kind) {
        case 'page-delta':
        case 'page-image':
          await this.loadRun(change.page);
          break;
        case 'relation-create':
        case 'relation-truncate':
          await this.loadFork(change, change.fork);
          break;
        case 'relation-drop':
          for (const fork of FORKS) await this.loadFork(change, fork);
          break;
        case 'database-create': {
          if (change.copyOf === null) break;
          runs.set(change, await this.existingRuns(rangeOfKind(Kind.RELATION_SIZE, change.copyOf)));
          const [map = null] = await this.target.contents([relationMapKey(change.copyOf)]);
          relationMaps.set(change, map);
          break;
        }
        case 'database-drop':
          runs.set(change, await this.existingRuns(rangeOfKind(Kind.RELATION_SIZE, change)));
          break;
        case 'slru-truncate': {
          const segments = await this.existingRuns(rangeOfKind(Kind.SLRU_SEGMENT));
          const { sizeKey } = segmentRun(change.slru, 0, null);
          runs.set(
            change,
            segments.filter((run) => run.sizeKey.prefix === sizeKey.prefix),
          );
          break;
        }
        default:
          break;
      }
    }
    return { runs, relationMaps };
  }

  private async loadRun(page: PageId): Promise<void> {
    const run =
      page.kind === 'relation'
        ? forkRun(page.relation, page.fork, null)
        : segmentRun(page.slru, slruSegmentOf(page.page), null);
    const [content = null] = await this.target.contents([run.sizeKey]);
    this.sizes.remember(page, decodeSize(content));
  }

  private async loadFork({ relation }: { relation: PageRelation }, fork: Fork): Promise<void> {
    if (this.sizes.findFork(relation, fork) === undefined)
      await this.loadRun({ kind: 'relation', relation, fork, block: 0 });
  }

  private async existingRuns(range: KeyRange): Promise<PageRun[]> {
    const keys = await this.target.keysIn(range);
    const contents = await this.target.contents(keys);
    return keys.flatMap((key, i) => {
      const size = decodeSize(contents[i] ?? null);
      if (size === null) return [];
      if (range.first.prefix.charCodeAt(0) === Kind.SLRU_SEGMENT)
        return [this.sizes.rememberSegment(slruOf(key.prefix), key.index, size)];
      const { relation, fork } = relationOf(key.prefix);
      return [this.sizes.rememberFork(relation, fork, size)];
    });
  }

  private putAll(record: IngestedRecord, around: Surroundings): void {
    const { logicalSizeBytes } = this;
    this.target.applying();
    try {
      this.putEach(record, around);
    } catch (error) {
      this.logicalSizeBytes = logicalSizeBytes;
      this.sizes.clear();
      throw error;
    }
    this.target.applied(record);
  }

  private putEach(record: IngestedRecord, around: Surroundings): void {
    for (const change of record.changes) this.putChange(change, record.endLsn, around);
    for (const { key, content } of record.tracked) this.target.put(key, record.endLsn, IMAGE, content);
    for (const change of record.changes)
      if (change.kind === 'commit')
        this.target.commit({
          lsn: record.endLsn,
          prevRecordLsn: record.lsn,
          timestampUs: change.timestampUs,
          logicalSizeBytes: this.logicalSizeBytes,
        });
  }

  private putChange(change: UnwrittenChange, lsn: Lsn, around: Surroundings): void {
    const { target } = this;
    switch (change.kind) {
      case 'page-image':
        return this.putPage(change.page, lsn, IMAGE, change.image);
      case 'page-delta':
        if (change.ifPresent === true && !this.isPresent(change.page)) return;
        return this.putPage(change.page, lsn, change.willInit ? DELTA_INIT : DELTA, change.delta);
      case 'relation-create': {
        const run = this.fork(change, change.fork);
        return run.size === null ? this.resize(run, 0, lsn) : undefined;
      }
      case 'relation-truncate': {
        const run = this.fork(change, change.fork);
        return run.size !== null && run.size > change.blockCount ? this.resize(run, change.blockCount, lsn) : undefined;
      }
      case 'relation-drop':
        for (const fork of FORKS) this.resize(this.fork(change, fork), null, lsn);
        return;
      case 'database-create':
        return this.createDatabase(change, lsn, around);
      case 'database-drop':
        for (const run of around.runs.get(change) ?? []) this.resize(run, null, lsn);
        target.put(relationMapKey(change), lsn, IMAGE, NO_CONTENT);
        return target.put(databaseKey(change), lsn, IMAGE, NO_CONTENT);
      case 'relation-map':
        target.put(databaseKey(change), lsn, IMAGE, EXISTS);
        return target.put(relationMapKey(change), lsn, IMAGE, change.content);
      case 'slru-truncate':
        return this.truncateSlru(change, lsn, around.runs.get(change) ?? []);
      case 'two-phase-create':
        return target.put({ prefix: TWO_PHASE, index: change.xid }, lsn, IMAGE, change.content);
      case 'two-phase-remove':
        return target.put({ prefix: TWO_PHASE, index: change.xid }, lsn, IMAGE, NO_CONTENT);
      case 'replication-origin': {
        const content = change.remoteLsn === null ? NO_CONTENT : new ByteWriter(8).u64(change.remoteLsn).finish();
        return target.put({ prefix: REPLICATION_ORIGIN, index: change.originId }, lsn, IMAGE, content);
      }
      case 'commit':
        return;
      default:
        return unreachable(change);
    }
  }

  private isPresent(page: PageId): boolean {
    const run = this.sizes.find(page);
    assert(run !== undefined, 'W3: the size of a written run is known');
    return indexOf(page) < run.firstPage + (run.size ?? 0);
  }

  private putPage(page: PageId, lsn: Lsn, kind: ValueKind, bytes: Uint8Array | UnwrittenBytes): void {
    const run = this.sizes.find(page);
    assert(run !== undefined, 'W3: the size of a written run is known');
    const index = indexOf(page);
    const end = run.firstPage + (run.size ?? 0);
    if (index >= end) {
      if (index - end > GAP_PAGES_MAX) throw new Corrupt(`${pageText(page)} is ${index - end} pages beyond the end`);
      const zeroEnd = kind === DELTA ? index + 1 : index;
      for (let skipped = end; skipped < zeroEnd; skipped++) this.putIn(run, skipped, lsn, IMAGE, NO_CONTENT);
      this.resize(run, index + 1 - run.firstPage, lsn);
    }
    this.putIn(run, index, lsn, kind, bytes);
  }

  private putIn(run: PageRun, index: number, lsn: Lsn, kind: ValueKind, bytes: Uint8Array | UnwrittenBytes): void {
    this.target.put({ prefix: run.pagePrefix, index }, lsn, kind, bytes);
  }

  private resize(run: PageRun, size: number | null, lsn: Lsn): void {
    if (run.size === size) return;
    if (run.isRelation) this.logicalSizeBytes += ((size ?? 0) - (run.size ?? 0)) * PAGE_SIZE;
    run.size = size;
    this.target.put(run.sizeKey, lsn, IMAGE, encodeSize(size));
  }

  private fork({ relation }: { relation: PageRelation }, fork: Fork): PageRun {
    const run = this.sizes.findFork(relation, fork);
    assert(run !== undefined, 'W3: the size of a changed fork is known');
    return run;
  }

  /** A copy costs a size entry per relation; its pages are found through the source. */
  private createDatabase(change: Change & { kind: 'database-create' }, lsn: Lsn, around: Surroundings): void {
    const id: DatabaseId = { tablespaceOid: change.tablespaceOid, databaseOid: change.databaseOid };
    this.target.put(databaseKey(id), lsn, IMAGE, EXISTS);
    if (change.copyOf === null) return;
    this.target.copied({ target: id, source: change.copyOf, lsn });
    const map = around.relationMaps.get(change) ?? null;
    if (map !== null) this.target.put(relationMapKey(id), lsn, IMAGE, map);
    for (const run of around.runs.get(change) ?? []) {
      const { relation, fork } = relationOf(inDatabase(run.sizeKey.prefix, id));
      this.resize(this.sizes.rememberFork(relation, fork, null), run.size, lsn);
    }
  }

  private truncateSlru(
    { slru, ...range }: { readonly slru: Slru } & SlruTruncation,
    lsn: Lsn,
    segments: readonly PageRun[],
  ): void {
    for (const run of segments) if (isTruncatedSegment(slru, run.sizeKey.index, range)) this.resize(run, null, lsn);
  }
}

const indexOf = (page: PageId): number => (page.kind === 'relation' ? page.block : page.page);

type PageRelation = (PageId & { kind: 'relation' })['relation'];
