/**
 * Copies of timelines in a data directory (`TimelineCopies`, promises PU1–PU2): `<data>/<tenant>/<timeline>.copying/`.
 *
 *   FC1  Until `adopt` there is no directory of the timeline's own name. Control file and trim point are in it, and all of it is
 *        durable, when the rename makes it one.
 *   FC2  Nothing is left beyond `flushLsn`, as an earlier attempt may have written there.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
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
import { type Disk, nodeDisk } from './disk';
import { renameDurably, replaceFile, syncDirectory, writeAll } from './durable-file';
import { CONTROL_FILE, TRIM_FILE } from './file-timeline-store';
import { SegmentFiles } from './segment-files';

export const COPYING = '.copying';
const READ_SIZE = 1024 * 1024;

/** Where the copy of a timeline lies that is, or would be, in `directory`. */
export const copyOf = (directory: string): string => directory + COPYING;

export class FileTimelineCopies extends TimelineCopies {
  constructor(
    private readonly root: string,
    private readonly disk: Disk = nodeDisk,
  ) {
    super();
  }

  override async open(donor: DurableAcceptorState): Promise<TimelineCopy> {
    const directory = this.pathOf(donor.identity);
    const tenantDirectory = join(directory, '..');
    if ((await this.disk.mkdir(tenantDirectory)) !== undefined) await syncDirectory(this.disk, this.root);
    if ((await this.disk.mkdir(copyOf(directory))) !== undefined) await syncDirectory(this.disk, tenantDirectory);
    return new FileTimelineCopy(this.disk, directory, new SegmentFiles(this.disk, copyOf(directory), donor));
  }

  override discard(key: TimelineKey): Promise<void> {
    return this.disk.remove(copyOf(this.pathOf(key)));
  }

  private pathOf({ tenantId, timelineId }: TimelineKey): string {
    return join(this.root, tenantId, timelineId);
  }
}

class FileTimelineCopy extends TimelineCopy {
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
  }

  override async adopt(
    control: DurableAcceptorState,
    { trimmedLsn, flushLsn }: { readonly trimmedLsn: Lsn; readonly flushLsn: Lsn },
  ): Promise<void> {
    const { directory } = this.files;
    await this.files.cut(flushLsn);
    await this.files.removeBelow(trimmedLsn);
    if (trimmedLsn !== TermHistory.startLsn(control.termHistory))
      await replaceFile(this.disk, join(directory, TRIM_FILE), encodeTrimPoint({ trimmedLsn, offloaded: null }));
    await replaceFile(this.disk, join(directory, CONTROL_FILE), encodeControlFile(control));
    // A name that may not last must not be a timeline's: it would vote.
    await renameDurably(this.disk, directory, this.directory);
  }
}
