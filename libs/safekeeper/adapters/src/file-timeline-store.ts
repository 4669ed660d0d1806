/**
 * One timeline's WAL and control file in a directory (`TimelineStore`, promises TS1–TS5).
 *
 * Writes gather in memory while a write runs; then one vectored write to a file opened with O_DSYNC takes all of them to
 * the disk: one system call that both writes and syncs, in the thread pool, so that the event loop never waits.
 */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { DurableAcceptorState } from '@neon/consensus';
import { Corrupt, Lsn, Unavailable, assert } from '@neon/kernel';
import { TimelineStore, type TimelineStoreEvents, type WalWrite, encodeControlFile } from '@neon/safekeeper-core';
import { counter, secondsHistogram } from '@neon/telemetry';
import { replaceFile, writeAll } from './durable-file';
import type { SegmentFiles } from './segment-files';

export const CONTROL_FILE = 'safekeeper.control';

/** IOV_MAX of Linux is 1024. */
const BUFFERS_PER_WRITE_MAX = 512;
const READ_HANDLES_MAX = 2;

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
const controlSeconds = secondsHistogram({
  component,
  name: 'neon_safekeeper_control_file_save_seconds',
  description: 'Duration of one replacement of a control file',
});

export class FileTimelineStore extends TimelineStore {
  private events: TimelineStoreEvents = { durable: () => undefined, failed: () => undefined };
  private queue: WalWrite[] = [];
  private queued = 0;
  private flushing: Promise<void> | undefined;
  private saving: Promise<void> = Promise.resolve();
  private preparing: Promise<void> = Promise.resolve();
  private preparedNumber: number;
  private tail: { readonly number: number; readonly file: FileHandle } | undefined;
  private readonly readers = new Map<number, Promise<FileHandle | undefined>>();
  private failure: Error | undefined;

  constructor(
    private readonly files: SegmentFiles,
    private endLsn: Lsn,
  ) {
    super();
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

  /** All within one segment. */
  private async writeBuffers(lsn: Lsn, buffers: readonly Uint8Array[], size: number): Promise<void> {
    const file = await this.tailFile(this.files.numberOf(lsn));
    const offset = lsn % this.files.segmentSize;
    const { bytesWritten } = await file.writev(buffers as Uint8Array[], offset);
    // A short write happens on a full disk; the next one then tells the reason.
    if (bytesWritten < size) await writeAll(file, Buffer.concat(buffers).subarray(bytesWritten), offset + bytesWritten);
    this.prepareNext(lsn);
  }

  private async tailFile(number: number): Promise<FileHandle> {
    if (this.tail?.number === number) return this.tail.file;
    await this.preparing;
    await this.tail?.file.close();
    this.tail = undefined;
    const file = await this.files.openForWriting(number);
    this.tail = { number, file };
    return file;
  }

  /** From the middle of a segment on, the next one is made ready, so that no commit waits for a new file. */
  private prepareNext(lsn: Lsn): void {
    const number = this.files.numberOf(lsn) + 1;
    const isDue = lsn % this.files.segmentSize > this.files.segmentSize / 2;
    if (!isDue || this.preparedNumber >= number) return;
    this.preparedNumber = number;
    // When it fails, the write that needs the segment makes it, and reports why it cannot.
    this.preparing = this.files.create(number, { zeroFill: true }).catch(() => undefined);
  }

  override async truncate(endLsn: Lsn): Promise<void> {
    await this.flush();
    await this.preparing;
    await this.attempt(async () => {
      await this.closeHandles();
      await this.files.cut(endLsn);
    });
    this.endLsn = endLsn;
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
    return buffer.subarray(0, bytesRead);
  }

  private readerOf(number: number): Promise<FileHandle | undefined> {
    const known = this.readers.get(number);
    if (known !== undefined) return known;
    for (const [oldest, handle] of this.readers) {
      if (this.readers.size < READ_HANDLES_MAX) break;
      this.readers.delete(oldest);
      void handle.then((file) => file?.close()).catch(() => undefined);
    }
    const opened = this.files.openForReading(number);
    this.readers.set(number, opened);
    opened.then(
      (file) => file === undefined && this.readers.delete(number),
      () => this.readers.delete(number),
    );
    return opened;
  }

  override saveControl(state: DurableAcceptorState): Promise<void> {
    const save = async (): Promise<void> => {
      this.check();
      const startedMs = performance.now();
      await this.attempt(() => replaceFile(join(this.files.directory, CONTROL_FILE), encodeControlFile(state)));
      controlSeconds.recordSince(startedMs);
    };
    const saved = this.saving.then(save, save);
    this.saving = saved.catch(() => undefined);
    return saved;
  }

  override async close(): Promise<void> {
    while (this.flushing !== undefined) await this.flushing;
    await this.saving;
    await this.preparing;
    this.failure ??= new Unavailable('the timeline is closed');
    await this.closeHandles();
  }

  private async closeHandles(): Promise<void> {
    const readers = [...this.readers.values()];
    this.readers.clear();
    for (const reader of readers) await reader.then((file) => file?.close());
    await this.tail?.file.close();
    this.tail = undefined;
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
