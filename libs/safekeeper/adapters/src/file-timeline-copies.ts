/**
 * Copies of timelines in a data directory (`TimelineCopies`, promises PU1–PU2): `<data>/<tenant>/<timeline>.copying/`.
 *
 *   FC1  Until `adopt` there is no directory of the timeline's own name. Control file and trim point are in it, and all of it is
 *        durable, when the rename makes it one.
 *   FC2  Nothing is left beyond `flushLsn`, as an earlier attempt may have written there.
 *   FC3  Of a segment that an earlier attempt has written, the page cache may hold what the disk does not: it counts when it is written
 *        once more.
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type DurableAcceptorState, TermHistory } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import {
  type LogRange,
  TimelineCopies,
  TimelineCopy,
  type TimelineKey,
  encodeControlFile,
  encodeTrimPoint,
} from '@neon/safekeeper-core';
import type { Disk } from './disk';
import { renameDurably, replaceFile, syncDirectory, writeAll } from './durable-file';
import { CONTROL_FILE, TRIM_FILE } from './file-timeline-store';
import { SegmentFiles } from './segment-files';
import type { TenantDirectories } from './tenant-directories';

export const COPYING = '.copying';
const READ_SIZE = 1024 * 1024;

/** Where the copy of a timeline lies that is, or would be, in `directory`. */
export const copyOf = (directory: string): string => directory + COPYING;

export class FileTimelineCopies extends TimelineCopies {
  constructor(private readonly tenants: TenantDirectories) {
    super();
  }

  override async open(donor: DurableAcceptorState): Promise<TimelineCopy> {
    const { disk } = this.tenants;
    const directory = this.pathOf(donor.identity);
    await this.tenants.make(donor.identity.tenantId);
    if ((await disk.mkdir(copyOf(directory))) !== undefined) await syncDirectory(disk, dirname(directory));
    return new FileTimelineCopy(disk, directory, new SegmentFiles(disk, copyOf(directory), donor));
  }

  override discard(key: TimelineKey): Promise<void> {
    return this.tenants.disk.remove(copyOf(this.pathOf(key)));
  }

  private pathOf({ tenantId, timelineId }: TimelineKey): string {
    return join(this.tenants.root, tenantId, timelineId);
  }
}

class FileTimelineCopy extends TimelineCopy {
  /** FC3: segments that this attempt has written. */
  private readonly written = new Set<number>();

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly files: SegmentFiles,
  ) {
    super();
  }

  override async digest({ startLsn, endLsn }: LogRange): Promise<string | undefined> {
    const file = await this.files.openForReading(this.files.numberOf(startLsn));
    if (file === undefined) return undefined;
    try {
      const hash = createHash('sha256');
      for (let lsn = startLsn; lsn < endLsn;) {
        const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, endLsn - lsn));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, lsn % this.files.segmentSize);
        if (bytesRead === 0) return undefined;
        hash.update(buffer.subarray(0, bytesRead));
        lsn = Lsn.advance(lsn, bytesRead);
      }
      return hash.digest('hex');
    } finally {
      await file.close();
    }
  }

  override async write(startLsn: Lsn, bytes: Uint8Array): Promise<void> {
    const file = await this.files.openForWriting(this.files.numberOf(startLsn));
    try {
      await writeAll(file, bytes, startLsn % this.files.segmentSize);
    } finally {
      await file.close();
    }
    this.written.add(this.files.numberOf(startLsn));
  }

  override async adopt(
    control: DurableAcceptorState,
    { trimmedLsn, flushLsn }: { readonly trimmedLsn: Lsn; readonly flushLsn: Lsn },
  ): Promise<void> {
    const { directory } = this.files;
    await this.files.cut(flushLsn);
    await this.files.removeBelow(trimmedLsn);
    await this.rewriteOlder();
    if (trimmedLsn !== TermHistory.startLsn(control.termHistory))
      await replaceFile(this.disk, join(directory, TRIM_FILE), encodeTrimPoint({ trimmedLsn, offloaded: null }));
    await replaceFile(this.disk, join(directory, CONTROL_FILE), encodeControlFile(control));
    // A name that may not last must not be a timeline's: it would vote.
    await renameDurably(this.disk, directory, this.directory);
  }

  /** FC3. */
  private async rewriteOlder(): Promise<void> {
    for (const number of await this.files.numbers()) {
      if (this.written.has(number)) continue;
      const file = await this.files.openForWriting(number);
      try {
        const buffer = Buffer.allocUnsafe(READ_SIZE);
        for (let at = 0; at < this.files.segmentSize; at += READ_SIZE) {
          const { bytesRead } = await file.read(buffer, 0, READ_SIZE, at);
          await writeAll(file, buffer.subarray(0, bytesRead), at);
        }
      } finally {
        await file.close();
      }
    }
  }
}
