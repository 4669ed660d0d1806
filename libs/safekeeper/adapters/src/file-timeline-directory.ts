/**
 * All timelines of a safekeeper in a data directory: `<data>/<tenant>/<timeline>/` (`TimelineDirectory`).
 *
 *   FD1  `open` reports as durable only what a sync has confirmed in this process: the WAL above the saved commit LSN is
 *        written once more before it counts, since the page cache may hold what the disk does not.
 *   FD2  Whatever follows the end of the WAL is wiped before anything is appended, so that a later scan never runs from
 *        fresh records into stale ones.
 *   FD3  A timeline whose committed WAL is gone stays closed; it is never taken for an empty one.
 *   FD4  A timeline directory appears with its control file in it, and a deleted one is a tombstone before it is gone.
 */
import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DurableAcceptorState, TermHistory } from '@neon/consensus';
import { Corrupt, Lsn, type SafekeeperId, TenantId, TimelineId } from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker, WalError } from '@neon/postgres';
import {
  type OpenedTimeline,
  TimelineDirectory,
  type TimelineKey,
  decodeControlFile,
  encodeControlFile,
} from '@neon/safekeeper-core';
import { replaceFile, syncDirectory, writeAll } from './durable-file';
import { CONTROL_FILE, FileTimelineStore } from './file-timeline-store';
import { SegmentFiles, isMissing } from './segment-files';

const CHUNK_SIZE = 1024 * 1024;

/** Suffixes of what an interrupted creation or deletion leaves behind. */
const MAKING = '.new';
const REMOVING = '.removing';
const TOMBSTONE = '.deleted';

export class FileTimelineDirectory extends TimelineDirectory {
  constructor(
    private readonly root: string,
    private readonly safekeeperId: SafekeeperId,
  ) {
    super();
  }

  override async list(): Promise<TimelineKey[]> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    const keys: TimelineKey[] = [];
    for (const tenantId of (await readdir(this.root)).filter(TenantId.is)) {
      for (const name of await readdir(join(this.root, tenantId))) {
        if (TimelineId.is(name)) keys.push({ tenantId, timelineId: name });
        else if (name.endsWith(MAKING) || name.endsWith(REMOVING))
          await rm(join(this.root, tenantId, name), { recursive: true, force: true });
      }
    }
    return keys;
  }

  override async create(control: DurableAcceptorState): Promise<OpenedTimeline> {
    const key = control.identity;
    const directory = this.pathOf(key);
    const making = directory + MAKING;
    await this.makeTenantDirectory(key);
    await rm(making, { recursive: true, force: true });
    await mkdir(making, { mode: 0o700 });
    await replaceFile(join(making, CONTROL_FILE), encodeControlFile(control));
    await rename(making, directory);
    await syncDirectory(join(directory, '..'));
    const files = new SegmentFiles(directory, control);
    const flushLsn = control.commitLsn;
    return { control, flushLsn, lastRecordLsn: undefined, store: new FileTimelineStore(files, flushLsn) };
  }

  override async open(key: TimelineKey): Promise<OpenedTimeline> {
    const directory = this.pathOf(key);
    const control = decodeControlFile(await readFile(join(directory, CONTROL_FILE)));
    if (control.safekeeperId !== this.safekeeperId)
      throw new Corrupt(`control file of safekeeper ${control.safekeeperId}, this is ${this.safekeeperId}`);
    const { tenantId, timelineId } = control.identity;
    if (tenantId !== key.tenantId || timelineId !== key.timelineId)
      throw new Corrupt(`control file of timeline ${tenantId}/${timelineId}`);
    for (const name of await readdir(directory)) if (name.endsWith(MAKING)) await rm(join(directory, name));
    const files = new SegmentFiles(directory, control);
    await requireCommitted(files, control);
    const { flushLsn, lastRecordLsn } = await findEnd(files, control);
    await rewrite(files, { startLsn: control.commitLsn, endLsn: flushLsn });
    if (await holdsAnythingFrom(files, flushLsn)) await files.cut(flushLsn);
    await syncDirectory(directory);
    return { control, flushLsn, lastRecordLsn, store: new FileTimelineStore(files, flushLsn) };
  }

  override async isDeleted(key: TimelineKey): Promise<boolean> {
    return exists(this.pathOf(key) + TOMBSTONE);
  }

  override async delete(key: TimelineKey): Promise<void> {
    const directory = this.pathOf(key);
    await this.makeTenantDirectory(key);
    await replaceFile(directory + TOMBSTONE, new Uint8Array(0));
    if (!(await exists(directory))) return;
    await rename(directory, directory + REMOVING);
    await syncDirectory(join(directory, '..'));
    await rm(directory + REMOVING, { recursive: true, force: true });
  }

  private async makeTenantDirectory({ tenantId }: TimelineKey): Promise<void> {
    const made = await mkdir(join(this.root, tenantId), { recursive: true, mode: 0o700 });
    if (made !== undefined) await syncDirectory(this.root);
  }

  private pathOf = ({ tenantId, timelineId }: TimelineKey): string => join(this.root, tenantId, timelineId);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Chunks of WAL from `startLsn` on, to the end of the last segment file in a row. */
async function* chunksFrom(files: SegmentFiles, startLsn: Lsn): AsyncGenerator<Uint8Array> {
  let lsn = startLsn;
  for (let number = files.numberOf(lsn); ; number++) {
    const file = await files.openForReading(number);
    if (file === undefined) return;
    try {
      while (files.numberOf(lsn) === number) {
        const offset = lsn % files.segmentSize;
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK_SIZE, files.segmentSize - offset));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
        lsn = Lsn.advance(lsn, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}

/** FD3. The scan begins at the commit LSN; that WAL was ever there shows in the file before it. */
async function requireCommitted(files: SegmentFiles, control: DurableAcceptorState): Promise<void> {
  const { commitLsn, termHistory } = control;
  if (commitLsn === TermHistory.startLsn(termHistory)) return;
  const number = files.numberOf(Lsn.of(commitLsn - 1));
  if (!(await exists(files.pathOf(number))))
    throw new Corrupt(`WAL is committed up to ${Lsn.format(commitLsn)}, but ${files.pathOf(number)} is missing`);
}

/** The end of the last whole and sound record: a torn one, a hole, or zeros end the WAL. */
async function findEnd(
  files: SegmentFiles,
  control: DurableAcceptorState,
): Promise<{ flushLsn: Lsn; lastRecordLsn: Lsn | undefined }> {
  const { pgMajor, walSegmentSize } = control.identity;
  const tracker = new WalBoundaryTracker({
    major: pgMajor as PostgresMajor,
    startLsn: control.commitLsn,
    segmentSize: walSegmentSize,
  });
  try {
    for await (const chunk of chunksFrom(files, control.commitLsn)) tracker.push(chunk);
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
  }
  const { endLsn, lastRecordLsn } = tracker;
  return { flushLsn: endLsn, lastRecordLsn: endLsn === control.commitLsn ? undefined : lastRecordLsn };
}

/** FD1. */
async function rewrite(files: SegmentFiles, range: { readonly startLsn: Lsn; readonly endLsn: Lsn }): Promise<void> {
  let lsn = range.startLsn;
  for await (const chunk of chunksFrom(files, range.startLsn)) {
    if (lsn >= range.endLsn) return;
    const bytes = chunk.subarray(0, range.endLsn - lsn);
    const file = await files.openForWriting(files.numberOf(lsn));
    try {
      await writeAll(file, bytes, lsn % files.segmentSize);
    } finally {
      await file.close();
    }
    lsn = Lsn.advance(lsn, chunk.length);
  }
}

/** FD2. A segment that was only made ready is zeros, and may stay. */
async function holdsAnythingFrom(files: SegmentFiles, lsn: Lsn): Promise<boolean> {
  for (const number of await files.numbers()) {
    const startLsn = Lsn.max(lsn, files.startOf(number));
    if (files.numberOf(startLsn) !== number) continue;
    const file = await files.openForReading(number);
    if (file === undefined) continue;
    try {
      const { size } = await file.stat();
      if (size !== files.segmentSize) return true;
      const buffer = Buffer.alloc(CHUNK_SIZE);
      for (let at = startLsn % files.segmentSize; at < size;) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK_SIZE, at);
        if (bytesRead === 0 || !isZero(buffer.subarray(0, bytesRead))) return true;
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }
  return false;
}

const ZEROS = Buffer.alloc(CHUNK_SIZE);
const isZero = (bytes: Uint8Array): boolean => ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
