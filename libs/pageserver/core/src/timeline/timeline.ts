/**
 * One timeline: its end of ingest, what its readers see, and how memory becomes layers.
 *
 *   T1  A reader at an LSN sees every record that ends at or below it and nothing of any later one, whatever ingest, flush
 *       and compaction do meanwhile.
 *   T2  A timeline that met a record it cannot apply, at ingest or when a page was read, stays stopped: nothing more is
 *       ingested, what was ingested is written out and stays readable, but for the page that cannot be made.
 *   T3  Every record boundary at which a compute or branch may start has a known previous record: the timeline's start,
 *       each commit, the last few hundred records, the end of ingest.
 *   T4  The index on disk changes in one step at a time, each after the files it names are durable.
 *   T5  A page that is changed again and again gets an image every few hundred changes.
 *   T6  One record is applied at a time, and a layer ends between two records: of a record that failed half-way nothing is
 *       ever shown or written out.
 *   T7  A timeline that stopped on a page goes on after a restart only if that page can be read then.
 *   T8  Nothing that is kept, an image or a branch point, is made from an ancestor that has yet to ingest again what was branched
 *       from it: what had not been written out is gone from memory after a crash.
 */
import { type Lsn, Lsn as LsnOf, Refusal, Unavailable, assert } from '@neon/kernel';
import type { PostgresMajor } from '@neon/postgres';
import { type Key, type KeyRange, compareKeys } from '../key/key';
import type { Compression } from '../layer/layer-file';
import { writeLayer } from '../layer/layer-builder';
import { type Layer, layerName } from '../layer/layer';
import { LayerMap } from '../layer/layer-map';
import { MemoryLayer } from '../layer/memory-layer';
import type { ReadGate } from '../read/read-gate';
import type { DatabaseCopy, KeyRead, TimelineView } from '../read/key-read';
import { type ApplyDelta, RedoFailure, pageContent, plainContent } from '../read/page-content';
import type { Reader } from '../read/reader';
import type { Background } from './background';
import { ChangeWriter, type IngestedRecord } from './change-writer';
import { CommitColumns } from './commit-index';
import { type Boundary, CommitHistory, type TimeLookup } from './commit-history';
import { ForkSizes } from './fork-sizes';
import { IMAGE } from '../layer/value';
import { LsnWaiters } from './lsn-waiters';
import { RecentRecords } from './recent-records';
import type { TimelineFiles } from './timeline-files';
import { INDEX_FILE, type PageRead, type TimelineIndex, encodeTimelineIndex } from './timeline-index';

export interface TimelineLimits {
  /** Bytes in the in-memory layer at which it is written out. */
  readonly memorySizeBytes: number;
  /** Age of the in-memory layer at which it is written out. */
  readonly memoryAgeMs: number;
}
export const DEFAULT_LIMITS: TimelineLimits = { memorySizeBytes: 64 * 1024 * 1024, memoryAgeMs: 5 * 60_000 };

/** Deltas after which a page gets an image: reading it never replays many more. */
const DELTAS_PER_IMAGE = 256;
/** Frozen layers that may wait to be written; ingest pauses beyond, so that memory stays bounded. */
const FROZEN_MAX = 2;

/** Why a timeline stops. */
export interface StopCause {
  readonly reason: string;
  /** What was thrown. */
  readonly error?: unknown;
}

export interface TimelineParts {
  readonly files: TimelineFiles;
  readonly compression: Compression;
  readonly reader: Reader;
  readonly gate: ReadGate;
  readonly background: Background;
  readonly applyDelta: ApplyDelta;
  readonly limits: TimelineLimits;
  /** Called once when a timeline stops: ask somebody to look. */
  readonly stopped: (timeline: Timeline, cause: StopCause) => void;
}

/** A frozen in-memory layer, and what the index will say once it is on disk. */
interface Frozen {
  readonly memory: MemoryLayer;
  readonly commits: CommitColumns;
  readonly prevRecordLsn: Lsn;
  readonly logicalSizeBytes: number;
  readonly copies: readonly DatabaseCopy[];
}

export class Timeline {
  private memory: MemoryLayer | null = null;
  private memorySinceMs: number | null = null;
  private frozen: readonly Frozen[] = [];
  private map: LayerMap;
  private copies: readonly DatabaseCopy[];
  private readonly writer: ChangeWriter;
  private readonly waiters = new LsnWaiters();
  private readonly recent = new RecentRecords();
  private readonly hot: Key[] = [];
  private stopReason: string | null = null;
  /** T7 */
  private unreadable: PageRead | null;
  private isApplying = false;
  /** T6: the in-memory layer holds part of a record. */
  private isTorn = false;
  private indexStep: Promise<void> = Promise.resolve();
  private flushing: Promise<void> | null = null;
  readonly sizes = new ForkSizes();
  readonly commits: CommitHistory;
  lastRecordLsn: Lsn;
  prevRecordLsn: Lsn;

  constructor(
    private current: TimelineIndex,
    readonly ancestor: Timeline | null,
    private readonly parts: TimelineParts,
  ) {
    assert((current.ancestor === null) === (ancestor === null), 'a branch is opened with its ancestor');
    this.map = LayerMap.of(current.layers);
    this.copies = current.copies;
    this.unreadable = current.unreadable;
    this.lastRecordLsn = current.diskConsistentLsn;
    this.prevRecordLsn = current.prevRecordLsn;
    this.commits = new CommitHistory(current, parts.files, ancestor?.commits ?? null);
    this.writer = new ChangeWriter(
      {
        put: (key, lsn, kind, bytes) => {
          const depth = this.openMemory().put(key.prefix, key.index, lsn, kind, bytes);
          if (depth >= DELTAS_PER_IMAGE && depth % DELTAS_PER_IMAGE === 0) this.hot.push(key);
        },
        commit: (boundary) => this.commits.push(boundary),
        copied: (copy) => (this.copies = [...this.copies, copy]),
        applying: () => {
          this.refuseWhenStopped();
          this.isTorn = true;
        },
        applied: (record) => this.applied(record),
        contents: (keys) => this.contentsAt(keys, this.lastRecordLsn),
        keysIn: (range) => this.keysIn(range),
      },
      this.sizes,
      current.logicalSizeBytes,
    );
  }

  get index(): TimelineIndex {
    return this.current;
  }
  get major(): PostgresMajor {
    return this.current.pgMajor;
  }
  get diskConsistentLsn(): Lsn {
    return this.current.diskConsistentLsn;
  }
  get logicalSizeBytes(): number {
    return this.writer.logicalSizeBytes;
  }
  get stopped(): string | null {
    return this.stopReason;
  }
  get memorySizeBytes(): number {
    return this.frozen.reduce((size, { memory }) => size + memory.sizeBytes, this.memory?.sizeBytes ?? 0);
  }
  get memoryLayers(): readonly MemoryLayer[] {
    const frozen = this.frozen.map(({ memory }) => memory).reverse();
    return this.memory === null ? frozen : [this.memory, ...frozen];
  }
  get waiterCount(): number {
    return this.waiters.count;
  }

  // ---------------------------------------------------------------- ingest

  /** Puts one record; answers a promise only when something had to be read first. @throws Refusal `TimelineStopped` */
  apply(record: IngestedRecord): Promise<void> | undefined {
    this.refuseWhenStopped();
    assert(!this.isApplying, 'T6: records are applied one at a time');
    assert(!this.isTorn, 'T6: nothing follows a record that was applied in part');
    assert(record.endLsn > this.lastRecordLsn, 'records are ingested in order');
    const written = this.writer.write(record);
    if (written === undefined) return undefined;
    this.isApplying = true;
    return written.finally(() => (this.isApplying = false));
  }

  private applied(record: IngestedRecord): void {
    this.lastRecordLsn = record.endLsn;
    this.prevRecordLsn = record.lsn;
    this.recent.push(record.lsn, record.endLsn);
    this.isTorn = false;
  }

  /**
   * To be called after a run of `apply`, and before the first: releases waiting readers, and pauses ingest while too much waits to
   * be written.
   * @throws what keeps it from being written
   */
  async ingested(): Promise<void> {
    this.waiters.reached(this.lastRecordLsn);
    if (this.hot.length > 0) await this.materializeHot();
    if (this.memory !== null && this.memory.sizeBytes >= this.parts.limits.memorySizeBytes) {
      this.freeze();
      this.parts.background.run(`flush of ${this.name}`, () => this.flush());
    }
    if (this.frozen.length > FROZEN_MAX) await this.flush();
  }

  /** T5 */
  private async materializeHot(): Promise<void> {
    const keys = this.hot.splice(0);
    const lsn = this.lastRecordLsn;
    const { memory } = this;
    const pages = await this.imagesAt(keys, lsn);
    // Frozen meanwhile: a layer that begins at `lsn` holds only what comes after.
    if (this.memory !== memory) return;
    for (const [i, { prefix, index }] of keys.entries()) {
      const page = pages[i] ?? null;
      if (page !== null) this.openMemory().put(prefix, index, lsn, IMAGE, page);
    }
  }

  /** T2. The first cause counts. */
  stop(cause: StopCause): void {
    if (this.stopReason !== null) return;
    if (cause.error instanceof RedoFailure) this.unreadable ??= cause.error.page;
    this.end(cause.reason);
    this.parts.stopped(this, cause);
  }

  /** As `stop`, when it was asked for: nobody need look. */
  end(reason: string): void {
    this.stopReason ??= reason;
    this.waiters.refuse(this.stoppedRefusal());
  }

  private refuseWhenStopped(): void {
    if (this.stopReason !== null) throw this.stoppedRefusal();
  }

  private stoppedRefusal = (): Refusal =>
    new Refusal('TimelineStopped', `timeline ${this.name} is stopped: ${this.stopReason ?? ''}`);

  /** T7. To be called before ingest goes on. @throws Corrupt when the page is as unreadable as before */
  async recheck(): Promise<void> {
    const { unreadable } = this.current;
    if (unreadable === null) return;
    await this.pagesAt([unreadable.key], unreadable.lsn);
    this.unreadable = null;
    await this.changeIndex((index) => ({ ...index, unreadable: null }));
  }

  /** Time passes: an in-memory layer that is old enough is written out, that of a stopped timeline at once. */
  async tick(nowMs: number): Promise<void> {
    if (this.stopReason !== null) return this.writeOut();
    if (this.memory !== null) {
      this.memorySinceMs ??= nowMs;
      if (nowMs - this.memorySinceMs >= this.parts.limits.memoryAgeMs) this.freeze();
    }
    if (this.frozen.length > 0) await this.flush();
  }

  private openMemory(): MemoryLayer {
    return (this.memory ??= new MemoryLayer(this.lastRecordLsn));
  }

  // ---------------------------------------------------------------- reading

  /** @throws Refusal `LsnNotReached`, `TimelineStopped`, `Overloaded` */
  async waitFor(lsn: Lsn, signal: AbortSignal): Promise<void> {
    // After a restart an ancestor may still be ingesting what this timeline was branched from.
    if (this.ancestor !== null && this.current.ancestor !== null)
      await this.ancestor.waitFor(LsnOf.min(lsn, this.current.ancestor.lsn), signal);
    if (lsn <= this.lastRecordLsn) return;
    this.refuseWhenStopped();
    await this.waiters.wait(lsn, signal);
  }

  /** Until everything this timeline was branched from is there: ingest reads it. */
  async waitForAncestor(signal: AbortSignal): Promise<void> {
    if (this.ancestor !== null && this.current.ancestor !== null)
      await this.ancestor.waitFor(this.current.ancestor.lsn, signal);
  }

  /** Whether a read at the LSN need not wait. */
  hasReached(lsn: Lsn): boolean {
    const { ancestor } = this.current;
    if (ancestor !== null && this.ancestor?.hasReached(LsnOf.min(lsn, ancestor.lsn)) === false) return false;
    return lsn <= this.lastRecordLsn;
  }

  /** T8: whether everything it was branched from is there. */
  get hasAncestry(): boolean {
    return this.hasReached(this.current.startLsn);
  }

  view(): TimelineView {
    const { ancestor, current } = this;
    return {
      memory: this.memoryLayers,
      map: this.map,
      files: this.parts.files,
      ancestor:
        ancestor === null || current.ancestor === null ? null : { view: ancestor.view(), lsn: current.ancestor.lsn },
      copies: this.copies,
    };
  }

  /** Contents of keys that are not pages; null where there is none. */
  async contentsAt(keys: readonly Key[], lsn: Lsn): Promise<(Uint8Array | null)[]> {
    return (await this.read(keys, lsn)).map(plainContent);
  }

  contentsNow(keys: readonly Key[], lsn: Lsn): (Uint8Array | null)[] | null {
    return this.parts.reader.readNow(keys, lsn, this.view())?.map(plainContent) ?? null;
  }

  /** Pages, zeros where nothing was written. @throws Corrupt; RedoFailure, which also stops the timeline */
  async pagesAt(keys: readonly Key[], lsn: Lsn): Promise<Uint8Array[]> {
    return this.pagesOf(await this.read(keys, lsn));
  }

  pagesNow(keys: readonly Key[], lsn: Lsn): Uint8Array[] | null {
    const reads = this.parts.reader.readNow(keys, lsn, this.view());
    return reads === null ? null : this.pagesOf(reads);
  }

  /** Pages to be kept as images: null for one that cannot be made, whose deltas must stay; the timeline is stopped then. */
  async imagesAt(keys: readonly Key[], lsn: Lsn): Promise<(Uint8Array | null)[]> {
    assert(this.hasAncestry, 'T8: an image is made of everything below it');
    return (await this.read(keys, lsn)).map((read) => {
      const page = this.pageOrFailure(read);
      return page instanceof RedoFailure ? null : page;
    });
  }

  private pagesOf(reads: readonly KeyRead[]): Uint8Array[] {
    return reads.map((read) => {
      const page = this.pageOrFailure(read);
      if (page instanceof RedoFailure) throw page;
      return page;
    });
  }

  private pageOrFailure(read: KeyRead): Uint8Array | RedoFailure {
    try {
      return pageContent(read, { applyDelta: this.parts.applyDelta, major: this.major, timeline: this.name });
    } catch (error) {
      if (!(error instanceof RedoFailure)) throw error;
      this.stop({ reason: error.reason, error });
      return error;
    }
  }

  private read(keys: readonly Key[], lsn: Lsn): Promise<KeyRead[]> {
    return this.parts.gate.pass(() => this.parts.reader.read(keys, lsn, this.view()));
  }

  keysIn(range: KeyRange): Promise<Key[]> {
    return this.parts.gate.pass(() => this.parts.reader.keysIn(range, this.view()));
  }

  /** H1. @throws Unavailable (T8) */
  boundaryAt(lsn: Lsn): Promise<Boundary> {
    this.requireAncestry();
    return this.commits.boundaryAt(lsn);
  }

  /** H2. @throws Unavailable (T8) */
  lsnAt(timestampUs: number): Promise<TimeLookup> {
    this.requireAncestry();
    return this.commits.lsnAt(timestampUs);
  }

  private requireAncestry(): void {
    if (!this.hasAncestry)
      throw new Unavailable(`timeline ${this.name}: an ancestor is still ingesting what was branched from it`);
  }

  /** Start of the record before a boundary; null when it is not known. */
  async recordBefore(lsn: Lsn): Promise<Lsn | null> {
    if (lsn === this.lastRecordLsn) return this.prevRecordLsn;
    if (lsn === this.current.startLsn) return this.current.startPrevRecordLsn;
    const recent = this.recent.startOf(lsn);
    if (recent !== null) return recent;
    const boundary = await this.commits.boundaryAt(lsn);
    return boundary.lsn === lsn ? boundary.prevRecordLsn : null;
  }

  // ---------------------------------------------------------------- writing out

  /** Ends the in-memory layer at the last record. */
  freeze(): void {
    if (this.memory === null) return;
    this.memory.endLsn = this.lastRecordLsn;
    const { prevRecordLsn, logicalSizeBytes } = this;
    // T6: as the layer leaves out what lies above its end.
    const copies = this.copies.filter(({ lsn }) => lsn <= this.lastRecordLsn);
    const commits = this.commits.freeze();
    this.frozen = [...this.frozen, { memory: this.memory, commits, prevRecordLsn, logicalSizeBytes, copies }];
    this.memory = null;
    this.memorySinceMs = null;
  }

  /** Writes everything that is in memory, and the page that the timeline stopped on. */
  async writeOut(): Promise<void> {
    this.freeze();
    await this.flush();
    const { unreadable } = this;
    if (unreadable !== this.current.unreadable) await this.changeIndex((index) => ({ ...index, unreadable }));
  }

  /** Writes every frozen layer out, oldest first. */
  async flush(): Promise<void> {
    this.flushing ??= this.flushAll().finally(() => (this.flushing = null));
    await this.flushing;
  }

  private async flushAll(): Promise<void> {
    for (let next = this.frozen[0]; next !== undefined; next = this.frozen[0]) await this.flushOne(next);
  }

  private async flushOne({ memory, commits, ...after }: Frozen): Promise<void> {
    const { files } = this.parts;
    const sequence = this.takeSequence();
    const written = await writeLayer(
      memory.sorted(),
      { kind: 'delta', level: 0, startLsn: memory.startLsn, endLsn: memory.endLsn, sequence },
      { writer: await files.create(), compression: null },
    );
    const commitFile = await this.commits.write(commits, sequence);
    const added = written === null ? [] : [written];
    await this.changeIndex(
      (index) => ({
        ...index,
        ...after,
        diskConsistentLsn: memory.endLsn,
        layers: [...index.layers, ...added],
        commits: commitFile === null ? index.commits : [...index.commits, commitFile],
      }),
      () => {
        this.map = LayerMap.insert(this.map, added);
        this.frozen = this.frozen.slice(1);
        this.commits.written(commitFile);
      },
    );
  }

  /** Puts `added` in the place of `removed`, then removes their files once nobody reads them. */
  async replaceLayers(removed: readonly Layer[], added: readonly Layer[]): Promise<void> {
    const gone = new Set(removed.map((layer) => layer.sequence));
    await this.changeIndex(
      (index) => ({
        ...index,
        layers: [...index.layers.filter((layer) => !gone.has(layer.sequence)), ...added].sort(
          (a, b) => a.startLsn - b.startLsn || compareKeys(a.range.first, b.range.first),
        ),
      }),
      () => (this.map = LayerMap.insert(LayerMap.remove(this.map, removed), added)),
    );
    await this.parts.gate.drained();
    for (const layer of removed) await this.parts.files.remove(layerName(layer));
  }

  get layerMap(): LayerMap {
    return this.map;
  }
  /** For compaction, which reads and writes layers of its own accord. */
  get storage(): Pick<TimelineParts, 'files' | 'compression' | 'gate' | 'reader'> {
    return this.parts;
  }

  /** For a layer to come. Not yet durable: names of an interrupted step may be used again, after its rubbish is gone. */
  takeSequence(): number {
    const sequence = this.current.nextSequence;
    this.current = { ...this.current, nextSequence: sequence + 1 };
    return sequence;
  }

  async setSafekeepers(safekeepers: TimelineIndex['safekeepers']): Promise<void> {
    await this.changeIndex((index) => ({ ...index, safekeepers }));
  }

  /** One index change after the other: T4. */
  private changeIndex(change: (index: TimelineIndex) => TimelineIndex, then?: () => void): Promise<void> {
    const step = this.indexStep.then(async () => {
      const next = change(this.current);
      await this.parts.files.replace(INDEX_FILE, encodeTimelineIndex(next));
      // Sequences may have been taken while the file was written.
      this.current = { ...next, nextSequence: Math.max(next.nextSequence, this.current.nextSequence) };
      then?.();
    });
    this.indexStep = step.catch(() => undefined);
    return step;
  }

  private get name(): string {
    return `${this.current.tenantId}/${this.current.timelineId}`;
  }
  describe = (): string => `${this.name} at ${LsnOf.format(this.lastRecordLsn)}`;
}
