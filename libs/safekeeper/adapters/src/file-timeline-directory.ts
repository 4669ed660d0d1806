/**
 * All timelines of a safekeeper in a data directory: `<data>/<tenant>/<timeline>/` (`TimelineDirectory`).
 *
 *   FD1  `open` reports as durable only what a sync has confirmed in this process: the WAL above the saved commit LSN is
 *        written once more before it counts, since the page cache may hold what the disk does not;
 *        `list` syncs the names that an earlier process gave.
 *   FD2  What follows the end of the WAL (a torn record, a hole, stale records) is never served, voted with or appended to.
 *   FD3  A timeline of whose committed WAL a segment is gone that was not trimmed stays closed; it is never taken for a
 *        shorter one, or an empty one.
 *   FD4  A timeline directory appears with its control file in it, and a deleted one is a tombstone before it is gone: beside a
 *        tombstone there is no timeline, only what an interrupted deletion left.
 *   FD5  Opened again after a failure, its control file and the names of its files are written anew: what a failed sync has
 *        lost, a later sync that succeeds does not bring back.
 *   FD6  Files of a timeline that is in the archive alone are what an interruption left: they are removed, never read.
 *   FD7  Removed at the start, while nothing else is under way: what an interrupted creation, removal or deletion left; a copy beside
 *        its timeline or the tombstone of a deleted one, which can never become one (L1, L3); a tenant's directory with nothing in it.
 *        Any other copy stays, since it goes on when it is asked for again (PU2).
 *   FD8  The tombstone of a removed timeline is durable before the timeline's directory loses its name, and stays for good, beside a
 *        timeline too: beside it a directory is a timeline only when its control file is of a later generation. So there is no moment
 *        in which a disk that has voted looks like one that never had the timeline, whatever is interrupted (L5).
 */
import { join } from 'node:path';
import { type DurableAcceptorState, type RemovedTimeline, TermHistory } from '@neon/consensus';
import { Corrupt, Lsn, Refusal, type SafekeeperId, TenantId, TimelineId } from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker, WalError } from '@neon/postgres';
import {
  type OpenedTimeline,
  TimelineDirectory,
  type TimelineKey,
  type TrimPoint,
  decodeControlFile,
  decodeRemovedTimeline,
  decodeTrimPoint,
  encodeControlFile,
  encodeRemovedTimeline,
} from '@neon/safekeeper-core';
import { type Disk, isMissing } from './disk';
import { renameDurably, replaceFile, syncDirectory, writeAll } from './durable-file';
import { COPYING, copyOf } from './file-timeline-copies';
import { CONTROL_FILE, FileTimelineStore, TRIM_FILE } from './file-timeline-store';
import { InlineWrites } from './inline-writes';
import { SegmentFiles } from './segment-files';
import { SegmentMaker } from './segment-maker';
import type { TenantDirectories } from './tenant-directories';

/** A scan most often finds nothing to read: the log ends where it was saved. So it begins small. */
const CHUNK_SIZE_MIN = 8 * 1024;
const CHUNK_SIZE_MAX = 1024 * 1024;

/** Suffixes of what an interrupted creation, removal or deletion leaves behind. */
const MAKING = '.new';
const REMOVING = '.removing';
const TOMBSTONE = '.deleted';
/** The tombstone of a timeline that was removed here and lives on elsewhere (FD8). */
const REMOVED = '.removed';
/** Beside a tombstone: the archive may still have something of the timeline. */
const PURGING = '.purging';

export class FileTimelineDirectory extends TimelineDirectory {
  private readonly shared = { maker: new SegmentMaker(), inline: new InlineWrites() };

  private readonly root: string;
  private readonly disk: Disk;

  constructor(
    private readonly tenants: TenantDirectories,
    private readonly safekeeperId: SafekeeperId,
  ) {
    super();
    ({ root: this.root, disk: this.disk } = tenants);
  }

  /** FD1: what an earlier process named and did not sync lasts from here on. */
  override async list(): Promise<TimelineKey[]> {
    await this.disk.mkdir(this.root);
    await syncDirectory(this.disk, this.root);
    const keys: TimelineKey[] = [];
    for (const tenantId of (await this.disk.readdir(this.root)).filter(TenantId.is)) {
      const names = await this.tidied(join(this.root, tenantId));
      for (const timelineId of names.filter(TimelineId.is)) keys.push({ tenantId, timelineId });
    }
    return keys;
  }

  /** FD1, FD4, FD7, FD8. @returns what is left in a tenant's directory */
  private async tidied(directory: string): Promise<string[]> {
    await syncDirectory(this.disk, directory);
    const names = await this.disk.readdir(directory);
    const present = new Set(names);
    const left: string[] = [];
    for (const name of names) {
      // One that cannot be read is not known to be removed: whoever opens it tells what is wrong.
      const isRemoved = present.has(name + REMOVED) && (await this.isRemoved(join(directory, name)).catch(() => false));
      if (!isRemoved && !isRubbish(name, present)) left.push(name);
    }
    if (left.length === 0) await this.disk.remove(directory);
    else for (const name of names) if (!left.includes(name)) await this.disk.remove(join(directory, name));
    return left;
  }

  override async create(control: DurableAcceptorState): Promise<OpenedTimeline> {
    const key = control.identity;
    const directory = this.pathOf(key);
    const making = directory + MAKING;
    await this.tenants.make(key.tenantId);
    await this.disk.remove(making);
    await this.disk.mkdir(making);
    await replaceFile(this.disk, join(making, CONTROL_FILE), encodeControlFile(control));
    await renameDurably(this.disk, making, directory);
    const files = new SegmentFiles(this.disk, directory, control);
    const flushLsn = control.commitLsn;
    return {
      control,
      flushLsn,
      lastRecordLsn: undefined,
      trimmedLsn: TermHistory.startLsn(control.termHistory),
      offloaded: null,
      store: new FileTimelineStore({ files, ...this.shared, endLsn: flushLsn, isTailClean: true }),
    };
  }

  override async open(key: TimelineKey, { afterFailure = false } = {}): Promise<OpenedTimeline> {
    const directory = this.pathOf(key);
    const control = decodeControlFile(await this.disk.readFile(join(directory, CONTROL_FILE)));
    if (control.safekeeperId !== this.safekeeperId)
      throw new Corrupt(`control file of safekeeper ${control.safekeeperId}, this is ${this.safekeeperId}`);
    const { tenantId, timelineId } = control.identity;
    if (tenantId !== key.tenantId || timelineId !== key.timelineId)
      throw new Corrupt(`control file of timeline ${tenantId}/${timelineId}`);
    const names = await this.disk.readdir(directory);
    for (const name of names) if (name.endsWith(MAKING)) await this.disk.remove(join(directory, name));
    const files = new SegmentFiles(this.disk, directory, control);
    const { trimmedLsn, offloaded } = names.includes(TRIM_FILE)
      ? decodeTrimPoint(await this.disk.readFile(join(directory, TRIM_FILE)))
      : { trimmedLsn: TermHistory.startLsn(control.termHistory), offloaded: null };
    const { flushLsn, lastRecordLsn } =
      offloaded === null
        ? await findHere(files, control, trimmedLsn)
        : await leaveOffloaded(files, control, { trimmedLsn, offloaded });
    if (afterFailure) await replaceFile(this.disk, join(directory, CONTROL_FILE), encodeControlFile(control));
    else await syncDirectory(this.disk, directory);
    const isTailClean = offloaded !== null;
    const store = new FileTimelineStore({ files, ...this.shared, endLsn: flushLsn, isTailClean });
    return { control, flushLsn, lastRecordLsn, trimmedLsn, offloaded, store };
  }

  override async tombstone(key: TimelineKey): Promise<'deleted' | RemovedTimeline | undefined> {
    const directory = this.pathOf(key);
    if (await this.disk.exists(directory + TOMBSTONE)) return 'deleted';
    return this.removedFrom(directory);
  }

  private async removedFrom(directory: string): Promise<RemovedTimeline | undefined> {
    try {
      return decodeRemovedTimeline(await this.disk.readFile(directory + REMOVED));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** FD8: what is in the directory is of no later membership than its tombstone. */
  private async isRemoved(directory: string): Promise<boolean> {
    const removed = await this.removedFrom(directory);
    const { membership } = decodeControlFile(await this.disk.readFile(join(directory, CONTROL_FILE)));
    return removed !== undefined && membership.generation <= removed.membership.generation;
  }

  /** The copy goes first: one that lies beside the tombstone was begun after it. */
  override async bury(key: TimelineKey, removed: RemovedTimeline): Promise<void> {
    const directory = this.pathOf(key);
    await this.tenants.make(key.tenantId);
    await this.disk.remove(copyOf(directory));
    await replaceFile(this.disk, directory + REMOVED, encodeRemovedTimeline(removed));
  }

  override async clear(key: TimelineKey): Promise<void> {
    const directory = this.pathOf(key);
    await this.disk.remove(directory + REMOVING);
    if (!(await this.disk.exists(directory))) return;
    if (!(await this.isRemoved(directory)))
      throw new Refusal('MembershipSuperseded', 'the timeline on the disk goes by a later membership');
    await renameDurably(this.disk, directory, directory + REMOVING);
    await this.disk.remove(directory + REMOVING);
  }

  override exists(key: TimelineKey): Promise<boolean> {
    return this.disk.exists(this.pathOf(key));
  }

  /** The mark comes first: without a tombstone it says nothing, and goes. */
  override async delete(key: TimelineKey, { purge }: { readonly purge: boolean }): Promise<void> {
    const directory = this.pathOf(key);
    await this.tenants.make(key.tenantId);
    if (purge) await replaceFile(this.disk, directory + PURGING, new Uint8Array(0));
    await replaceFile(this.disk, directory + TOMBSTONE, new Uint8Array(0));
    await this.disk.remove(copyOf(directory));
    await this.disk.remove(directory + REMOVED);
    if (!(await this.disk.exists(directory))) return;
    await this.disk.rename(directory, directory + REMOVING);
    await syncDirectory(this.disk, join(directory, '..'));
    await this.disk.remove(directory + REMOVING);
  }

  override async purging(): Promise<TimelineKey[]> {
    const keys: TimelineKey[] = [];
    for (const tenantId of (await this.disk.readdir(this.root)).filter(TenantId.is)) {
      const names = new Set(await this.disk.readdir(join(this.root, tenantId)));
      for (const name of names) {
        const timelineId = name.slice(0, -PURGING.length);
        if (!name.endsWith(PURGING) || !TimelineId.is(timelineId)) continue;
        if (names.has(timelineId + TOMBSTONE)) keys.push({ tenantId, timelineId });
        else await this.disk.remove(join(this.root, tenantId, name));
      }
    }
    return keys;
  }

  override async purged(key: TimelineKey): Promise<void> {
    await this.disk.remove(this.pathOf(key) + PURGING);
  }

  private pathOf({ tenantId, timelineId }: TimelineKey): string {
    return join(this.root, tenantId, timelineId);
  }
}

/** FD7. */
function isRubbish(name: string, beside: ReadonlySet<string>): boolean {
  if (name.endsWith(MAKING) || name.endsWith(REMOVING) || beside.has(name + TOMBSTONE)) return true;
  if (name.endsWith(REMOVED)) return beside.has(name.slice(0, -REMOVED.length) + TOMBSTONE);
  if (!name.endsWith(COPYING)) return false;
  const timelineId = name.slice(0, -COPYING.length);
  return beside.has(timelineId) || beside.has(timelineId + TOMBSTONE);
}

/** Chunks of WAL from `startLsn` on, to the end of the last segment file in a row. */
async function* chunksFrom(files: SegmentFiles, startLsn: Lsn): AsyncGenerator<Uint8Array> {
  let lsn = startLsn;
  let size = CHUNK_SIZE_MIN;
  for (let number = files.numberOf(lsn); ; number++) {
    const file = await files.openForReading(number);
    if (file === undefined) return;
    try {
      while (files.numberOf(lsn) === number) {
        const offset = lsn % files.segmentSize;
        const buffer = Buffer.allocUnsafe(Math.min(size, files.segmentSize - offset));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
        lsn = Lsn.advance(lsn, bytesRead);
        size = Math.min(2 * size, CHUNK_SIZE_MAX);
      }
    } finally {
      await file.close();
    }
  }
}

interface FoundEnd {
  readonly flushLsn: Lsn;
  readonly lastRecordLsn: Lsn | undefined;
}

async function findHere(files: SegmentFiles, control: DurableAcceptorState, trimmedLsn: Lsn): Promise<FoundEnd> {
  await requireCommitted(files, control, trimmedLsn);
  await files.removeBelow(trimmedLsn);
  const found = await findEnd(files, control);
  await rewrite(files, { startLsn: control.commitLsn, endLsn: found.flushLsn });
  return found;
}

/** FD6. */
async function leaveOffloaded(
  files: SegmentFiles,
  { commitLsn }: DurableAcceptorState,
  { offloaded }: TrimPoint,
): Promise<FoundEnd> {
  if (offloaded?.endLsn !== commitLsn)
    throw new Corrupt(`WAL is committed up to ${Lsn.format(commitLsn)}, and another end of it is in the archive`);
  await files.removeAll();
  return { flushLsn: commitLsn, lastRecordLsn: undefined };
}

/** FD3. The scan begins at the commit LSN; that WAL was ever there before shows in the names of its files. */
async function requireCommitted(files: SegmentFiles, control: DurableAcceptorState, trimmedLsn: Lsn): Promise<void> {
  const { commitLsn, termHistory } = control;
  if (trimmedLsn > commitLsn)
    throw new Corrupt(`WAL is trimmed to ${Lsn.format(trimmedLsn)}, and committed up to ${Lsn.format(commitLsn)} only`);
  if (commitLsn === TermHistory.startLsn(termHistory)) return;
  const present = new Set(await files.numbers());
  for (let number = files.numberOf(trimmedLsn); files.startOf(number) < commitLsn; number++)
    if (!present.has(number))
      throw new Corrupt(`WAL is committed up to ${Lsn.format(commitLsn)}, but ${files.pathOf(number)} is missing`);
}

/** The end of the last whole and sound record: a torn one, a hole, or zeros end the WAL (FD2). */
async function findEnd(files: SegmentFiles, control: DurableAcceptorState): Promise<FoundEnd> {
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
  if (range.startLsn === range.endLsn) return;
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
