/**
 * One timeline's WAL and control file in a directory (`TimelineStore`, promises TS1–TS8).
 *
 * Writes gather in memory while a write runs; then one vectored write to a file opened with O_DSYNC takes all of them to
 * the disk: one system call that both writes and syncs, in the thread pool or, where that is better, in the event loop
 * (`inline-writes.ts`).
 *
 *   FS1  The first write after the timeline was opened wipes what follows the end of its WAL, so that a later scan never
 *        runs from fresh records into stale ones. Timelines that nobody writes to do not pay for it.
 *   FS2  A small flush writes to blocks that are allocated already, but for one in SPARSE_PAD_SIZE bytes of a segment that was
 *        not filled ahead: a timeline's first one, and those that follow upon bulk.
 *   FS3  A store at rest holds no file open.
 */
import { join } from 'node:path';
import type { DurableAcceptorState } from '@neon/consensus';
import { Corrupt, Lsn, Unavailable, assert } from '@neon/kernel';
import {
  type OffloadPoint,
  TimelineStore,
  type TimelineStoreEvents,
  type TrimPoint,
  type WalWrite,
  encodeControlFile,
  encodeTrimPoint,
} from '@neon/safekeeper-core';
import { counter, secondsHistogram } from '@neon/telemetry';
import type { DiskFile } from './disk';
import { replaceFile, writeAll } from './durable-file';
import type { InlineWrites } from './inline-writes';
import type { SegmentFiles } from './segment-files';
import type { SegmentMaker } from './segment-maker';

export const CONTROL_FILE = 'safekeeper.control';
export const TRIM_FILE = 'safekeeper.trim';

/** IOV_MAX of Linux is 1024. */
const BUFFERS_PER_WRITE_MAX = 512;
const READ_HANDLES_MAX = 2;
/**
 * In a file whose blocks are not allocated, a synchronous write also commits the file system's journal, which takes several
 * times as long. So a write there brings zeros along up to the next multiple of this, and those after it do not.
 */
const SPARSE_PAD_SIZE = 256 * 1024;
const PAD = Buffer.alloc(SPARSE_PAD_SIZE);
/**
 * Flushes of this size are worth a commit of the journal each. Where they are the rule, as in a bulk load, filling segments
 * ahead would only write everything twice.
 */
const BULK_FLUSH_SIZE_MIN = 128 * 1024;
/** Of `stat`. */
const BLOCK_SIZE = 512;

const component = 'safekeeper';
const flushSeconds = secondsHistogram({
  component,
  name: 'neon_safekeeper_wal_flush_seconds',
  description: 'Duration of one group flush of WAL',
});
const flushedBytes = counter({
  component,
  name: 'neon_safekeeper_wal_flushed_bytes',
  description: 'WAL made durable',
});
const readBytes = counter({
  component,
  name: 'neon_safekeeper_wal_read_bytes',
  description: 'WAL read from files',
});
const trimmedSegments = counter({
  component,
  name: 'neon_safekeeper_trimmed_segments',
  description: 'Segment files of WAL removed because nobody needs them',
});
const controlSeconds = secondsHistogram({
  component,
  name: 'neon_safekeeper_control_file_save_seconds',
  description: 'Duration of one replacement of a control file',
});

interface Tail {
  readonly number: number;
  readonly file: DiskFile;
  /** Blocks are allocated up to this offset. */
  allocatedTo: number;
  flushCount: number;
  flushedBytes: number;
}

export interface StoreOptions {
  readonly files: SegmentFiles;
  readonly maker: SegmentMaker;
  readonly inline: InlineWrites;
  readonly endLsn: Lsn;
  /** Nothing but zeros follows the end (FS1). */
  readonly isTailClean: boolean;
}

export class FileTimelineStore extends TimelineStore {
  private events: TimelineStoreEvents = { durable: () => undefined, failed: () => undefined };
  private queue: WalWrite[] = [];
  private queued = 0;
  private flushing: Promise<void> | undefined;
  private saving: Promise<void> = Promise.resolve();
  private trimming: Promise<void> = Promise.resolve();
  private truncating: Promise<void> = Promise.resolve();
  private preparedNumber: number;
  private tail: Tail | undefined;
  private readonly readers = new Map<number, Promise<DiskFile | undefined>>();
  private failure: Error | undefined;
  private readonly files: SegmentFiles;
  private readonly maker: SegmentMaker;
  private readonly inline: InlineWrites;
  private endLsn: Lsn;
  private isTailClean: boolean;

  constructor({ files, maker, inline, endLsn, isTailClean }: StoreOptions) {
    super();
    this.files = files;
    this.maker = maker;
    this.inline = inline;
    this.endLsn = endLsn;
    this.isTailClean = isTailClean;
    this.preparedNumber = files.numberOf(endLsn);
  }

  override listen(events: TimelineStoreEvents): void {
    this.events = events;
  }

  override get queuedBytes(): number {
    return this.queued;
  }

  override write(write: WalWrite): void {
    this.check();
    assert(write.startLsn === this.endLsn, 'TS1: WAL is written at its end');
    this.endLsn = Lsn.advance(write.startLsn, write.bytes.length);
    this.queue.push(write);
    this.queued += write.bytes.length;
    this.flushing ??= this.flushQueue();
  }

  override async flush(): Promise<void> {
    while (this.flushing !== undefined) await this.flushing;
    this.check();
  }

  /** TS2. Never rejects: a failure goes to `failed`, and to every later call. */
  private async flushQueue(): Promise<void> {
    try {
      // What arrives in the same turn of the event loop belongs to the first write already.
      await Promise.resolve();
      while (this.queue.length > 0) {
        const batch = this.queue;
        this.queue = [];
        await this.writeBatch(batch);
        const last = batch[batch.length - 1];
        if (last === undefined) continue;
        const { startLsn, bytes, recordEndLsn, truncationCount } = last;
        this.events.durable({ endLsn: Lsn.advance(startLsn, bytes.length), recordEndLsn, truncationCount });
      }
    } catch (error) {
      this.events.failed(this.failWith(error));
    } finally {
      this.flushing = undefined;
    }
  }

  private async writeBatch(batch: readonly WalWrite[]): Promise<void> {
    const startedMs = performance.now();
    let buffers: Uint8Array[] = [];
    let position = batch[0]?.startLsn ?? Lsn.ZERO;
    let size = 0;
    await this.wipeTail(position);
    const writeOut = async (): Promise<void> => {
      await this.writeBuffers(position, buffers, size);
      position = Lsn.advance(position, size);
      buffers = [];
      size = 0;
    };
    for (const { startLsn, bytes } of batch) {
      for (let taken = 0; taken < bytes.length;) {
        const lsn = startLsn + taken;
        const count = Math.min(bytes.length - taken, this.files.segmentSize - (lsn % this.files.segmentSize));
        buffers.push(bytes.subarray(taken, taken + count));
        size += count;
        taken += count;
        if ((lsn + count) % this.files.segmentSize === 0 || buffers.length === BUFFERS_PER_WRITE_MAX) await writeOut();
      }
    }
    if (size > 0) await writeOut();
    const batchSize = batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.queued -= batchSize;
    flushSeconds.recordSince(startedMs);
    flushedBytes(batchSize);
  }

  /** FS1. */
  private async wipeTail(endLsn: Lsn): Promise<void> {
    if (this.isTailClean) return;
    if (await this.files.holdsAnythingFrom(endLsn)) await this.files.cut(endLsn);
    this.isTailClean = true;
  }

  /** All within one segment. */
  private async writeBuffers(lsn: Lsn, buffers: Uint8Array[], size: number): Promise<void> {
    const tail = await this.tailOf(this.files.numberOf(lsn));
    const offset = lsn % this.files.segmentSize;
    const padSize = size < BULK_FLUSH_SIZE_MIN ? padOf(tail, offset + size) : 0;
    if (padSize > 0) buffers.push(PAD.subarray(0, padSize));
    const bytesWritten = await this.writeSynced(tail.file, buffers, { offset, size: size + padSize });
    // A short write happens on a full disk; the next one then tells the reason.
    if (bytesWritten < size + padSize)
      await writeAll(tail.file, Buffer.concat(buffers).subarray(bytesWritten), offset + bytesWritten);
    tail.allocatedTo = Math.max(tail.allocatedTo, offset + size + padSize);
    tail.flushCount++;
    tail.flushedBytes += size;
    if (offset + size > this.files.segmentSize / 2) this.prepare(tail);
  }

  private async writeSynced(
    file: DiskFile,
    buffers: readonly Uint8Array[],
    { offset, size }: { readonly offset: number; readonly size: number },
  ): Promise<number> {
    const startedMs = performance.now();
    const bytesWritten = this.inline.begin(this, size, startedMs)
      ? file.writevNow(buffers, offset)
      : (await file.writev(buffers, offset)).bytesWritten;
    this.inline.took(performance.now() - startedMs);
    return bytesWritten;
  }

  private async tailOf(number: number): Promise<Tail> {
    if (this.tail?.number === number) return this.tail;
    await this.maker.settle(this.files, number);
    await this.tail?.file.close();
    this.tail = undefined;
    const file = await this.files.openForWriting(number);
    this.tail = { number, file, allocatedTo: 0, flushCount: 0, flushedBytes: 0 };
    const { blocks } = await file.stat();
    if (blocks * BLOCK_SIZE >= this.files.segmentSize) this.tail.allocatedTo = this.files.segmentSize;
    return this.tail;
  }

  /** From the middle of a segment on, the next one is made ready, so that no commit waits for a new file. */
  private prepare({ number, flushCount, flushedBytes: size }: Tail): void {
    if (this.preparedNumber > number) return;
    this.preparedNumber = number + 1;
    this.maker.makeAhead(this.files, { number: number + 1, zeroFill: size / flushCount < BULK_FLUSH_SIZE_MIN });
  }

  override truncate(endLsn: Lsn): Promise<void> {
    const truncated = this.cut(endLsn);
    this.truncating = truncated.catch(() => undefined);
    return truncated;
  }

  private async cut(endLsn: Lsn): Promise<void> {
    await this.flush();
    await this.maker.settle(this.files);
    await this.attempt(async () => {
      await this.closeHandles();
      await this.files.cut(endLsn);
      // Whoever read meanwhile may have opened a file that is gone now.
      await this.closeHandles();
    });
    this.endLsn = endLsn;
    this.isTailClean = true;
    this.preparedNumber = this.files.numberOf(endLsn);
  }

  override async read(startLsn: Lsn, sizeMax: number): Promise<Uint8Array> {
    this.check();
    const number = this.files.numberOf(startLsn);
    const offset = startLsn % this.files.segmentSize;
    const file = await this.readerOf(number);
    const buffer = Buffer.allocUnsafe(Math.min(sizeMax, this.files.segmentSize - offset));
    const { bytesRead } = (await file?.read(buffer, 0, buffer.length, offset)) ?? { bytesRead: 0 };
    if (bytesRead === 0) throw new Corrupt(`WAL at ${Lsn.format(startLsn)} is missing`);
    readBytes(bytesRead);
    return buffer.subarray(0, bytesRead);
  }

  private readerOf(number: number): Promise<DiskFile | undefined> {
    const known = this.readers.get(number);
    if (known !== undefined) return known;
    for (const oldest of this.readers.keys()) {
      if (this.readers.size < READ_HANDLES_MAX) break;
      this.closeReader(oldest);
    }
    const opened = this.files.openForReading(number);
    this.readers.set(number, opened);
    opened.then(
      (file) => file === undefined && this.readers.delete(number),
      () => this.readers.delete(number),
    );
    return opened;
  }

  /** A read that is under way ends first: a file handle closes when nothing uses it any more. */
  private closeReader(number: number): void {
    const handle = this.readers.get(number);
    this.readers.delete(number);
    void handle?.then((file) => file?.close()).catch(() => undefined);
  }

  override saveControl(state: DurableAcceptorState): Promise<void> {
    const save = async (): Promise<void> => {
      this.check();
      const startedMs = performance.now();
      await this.attempt(() => this.replace(CONTROL_FILE, encodeControlFile(state)));
      controlSeconds.recordSince(startedMs);
    };
    const saved = this.saving.then(save, save);
    this.saving = saved.catch(() => undefined);
    return saved;
  }

  /** TS6. */
  override trim(trimmedLsn: Lsn): Promise<void> {
    return this.afterTrims(async () => {
      await this.attempt(() => this.saveTrimPoint({ trimmedLsn, offloaded: null }));
      for (const number of this.readers.keys()) if (this.files.startOf(number) < trimmedLsn) this.closeReader(number);
      trimmedSegments(await this.files.removeBelow(trimmedLsn));
    });
  }

  /** TS7. */
  override offload(trimmedLsn: Lsn, offloaded: OffloadPoint): Promise<void> {
    return this.afterTrims(async () => {
      assert(offloaded.endLsn === this.endLsn && this.queued === 0, 'TS7: the whole log is in the archive');
      await this.maker.settle(this.files);
      await this.attempt(async () => {
        await this.saveTrimPoint({ trimmedLsn, offloaded });
        await this.closeHandles();
        await this.files.removeAll();
      });
      this.isTailClean = true;
      this.preparedNumber = this.files.numberOf(this.endLsn);
    });
  }

  /** TS8. */
  override restore(trimmedLsn: Lsn, tail: Uint8Array): Promise<void> {
    return this.afterTrims(async () => {
      try {
        if (tail.length > 0) await this.files.createWith(this.files.numberOf(trimmedLsn), tail);
        await this.saveTrimPoint({ trimmedLsn, offloaded: null });
      } catch (error) {
        // A reader may have asked for it, who is not the one to tell.
        this.events.failed(this.failWith(error));
        this.check();
      }
    });
  }

  /** What changes the trim point happens one after the other. */
  private afterTrims(change: () => Promise<void>): Promise<void> {
    const run = (): Promise<void> => {
      this.check();
      return change();
    };
    const changed = this.trimming.then(run, run);
    this.trimming = changed.catch(() => undefined);
    return changed;
  }

  private saveTrimPoint(point: TrimPoint): Promise<void> {
    return this.replace(TRIM_FILE, encodeTrimPoint(point));
  }

  private replace(name: string, content: Uint8Array): Promise<void> {
    return replaceFile(this.files.disk, join(this.files.directory, name), content);
  }

  /** FS3. Whoever comes next opens them again. */
  override rest(): void {
    for (const number of this.readers.keys()) this.closeReader(number);
    const { tail } = this;
    if (tail === undefined || this.flushing !== undefined) return;
    this.tail = undefined;
    // Its writes were durable before this: an error on closing it takes nothing back.
    void tail.file.close().catch(() => undefined);
  }

  override async close(): Promise<void> {
    while (this.flushing !== undefined) await this.flushing;
    await this.saving;
    await this.trimming;
    await this.truncating;
    await this.maker.settle(this.files);
    this.failure ??= new Unavailable('the timeline is closed');
    await this.closeHandles();
  }

  private async closeHandles(): Promise<void> {
    const readers = [...this.readers.values()];
    this.readers.clear();
    for (const reader of readers) await reader.then((file) => file?.close());
    const { tail } = this;
    this.tail = undefined;
    await tail?.file.close();
  }

  private async attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      throw this.failWith(error);
    }
  }

  /** TS5. */
  private failWith(cause: unknown): Error {
    this.failure ??= new Unavailable(`disk failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    return this.failure;
  }

  private check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

/** FS2: how many zeros a write that ends at `endOffset` brings along. */
function padOf(tail: Tail, endOffset: number): number {
  return endOffset <= tail.allocatedTo ? 0 : (SPARSE_PAD_SIZE - (endOffset % SPARSE_PAD_SIZE)) % SPARSE_PAD_SIZE;
}
