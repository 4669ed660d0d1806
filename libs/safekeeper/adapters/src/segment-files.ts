/**
 * The WAL segments of one timeline as files, under Postgres' own names, each of full size from the beginning.
 *
 *   SF1  A segment file has its full size when its name appears, and holds zeros where no WAL was written.
 *   SF2  `cut` leaves zeros or no file beyond `endLsn`; when it is interrupted, what is left beyond is never reached
 *        from below by a scan, because it goes from the end towards `endLsn`.
 *   SF3  Nothing is written to a segment whose name may not be durable. A sync that failed is not tried again: the next one
 *        may succeed without having brought to the disk what the first one lost.
 *   SF4  `removeBelow` goes from the oldest segment on, so that what is left is one row of segments, whenever it is interrupted.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import { TermHistory, type DurableAcceptorState } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import { type PostgresMajor, WAL_PAGE_SIZE, WalSegment, encodePageHeader } from '@neon/postgres';
import { type Disk, type DiskFile, isMissing } from './disk';
import { syncDirectory, writeAll } from './durable-file';

const ZEROS = Buffer.alloc(1024 * 1024);

export class SegmentFiles {
  readonly segmentSize: number;
  private nameFailure: Error | undefined;

  constructor(
    readonly disk: Disk,
    readonly directory: string,
    private readonly control: DurableAcceptorState,
  ) {
    this.segmentSize = control.identity.walSegmentSize;
  }

  numberOf(lsn: Lsn): number {
    return Math.floor(lsn / this.segmentSize);
  }

  startOf(number: number): Lsn {
    return Lsn.of(number * this.segmentSize);
  }

  pathOf(number: number): string {
    return join(this.directory, WalSegment.fileName({ lsn: this.startOf(number), segmentSize: this.segmentSize }));
  }

  /** In ascending order. */
  async numbers(): Promise<number[]> {
    const names = await this.disk.readdir(this.directory);
    return names
      .flatMap((name) => {
        const address = WalSegment.parseFileName(name, this.segmentSize);
        return address === null ? [] : [this.numberOf(address.lsn)];
      })
      .sort((a, b) => a - b);
  }

  /** For writes that are durable when they return. Makes the file when there is none. */
  async openForWriting(number: number): Promise<DiskFile> {
    const flags = constants.O_RDWR | constants.O_DSYNC;
    if (this.nameFailure !== undefined) throw this.nameFailure;
    try {
      return await this.disk.open(this.pathOf(number), flags);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await this.create(number, { zeroFill: false });
      return this.disk.open(this.pathOf(number), flags);
    }
  }

  /** Undefined when there is no such file. */
  async openForReading(number: number): Promise<DiskFile | undefined> {
    try {
      return await this.disk.open(this.pathOf(number), 'r');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * SF1. With `zeroFill` its blocks are allocated too, so that later writes change no metadata: slower now, and every
   * flush is faster. The first segment of a timeline does without, so that creating a timeline costs nothing.
   */
  create(number: number, { zeroFill }: { zeroFill: boolean }): Promise<void> {
    return this.make(number, async (file) => {
      if (zeroFill)
        for (let at = 0; at < this.segmentSize; at += ZEROS.length)
          await writeAll(file, ZEROS.subarray(0, this.segmentSize - at), at);
      await this.writeLeadIn(file, number);
    });
  }

  /** SF1: one that begins with these bytes, durable when it returns. */
  createWith(number: number, bytes: Uint8Array): Promise<void> {
    return this.make(number, (file) => writeAll(file, bytes, 0));
  }

  private async make(number: number, fill: (file: DiskFile) => Promise<void>): Promise<void> {
    const path = this.pathOf(number);
    const temporary = `${path}.new`;
    try {
      await this.write(temporary, fill);
    } catch (error) {
      // On a full disk, what it has got so far is needed elsewhere. That it stays says nothing that `error` does not.
      await this.disk.remove(temporary).catch(() => undefined);
      throw error;
    }
    await this.disk.rename(temporary, path);
    try {
      await syncDirectory(this.disk, this.directory);
    } catch (cause) {
      this.nameFailure = new Error(`the name of ${path} may not be durable: ${messageOf(cause)}`, { cause });
      throw this.nameFailure;
    }
  }

  private async write(path: string, fill: (file: DiskFile) => Promise<void>): Promise<void> {
    const file = await this.disk.open(path, 'w', 0o600);
    try {
      await file.truncate(this.segmentSize);
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** The headers that Postgres' tools look for before the first WAL of a timeline that begins within this segment. */
  private async writeLeadIn(file: DiskFile, number: number): Promise<void> {
    const startLsn = TermHistory.startLsn(this.control.termHistory);
    const segmentLsn = this.startOf(number);
    if (this.numberOf(startLsn) !== number || startLsn === segmentLsn) return;
    const { pgMajor, systemId } = this.control.identity;
    const format = { major: pgMajor as PostgresMajor, segmentSize: this.segmentSize };
    const pageLsn = Lsn.of(startLsn - (startLsn % WAL_PAGE_SIZE));
    for (const lsn of new Set([segmentLsn, pageLsn])) {
      if (lsn === startLsn) continue;
      await writeAll(file, encodePageHeader(format, { lsn, systemId, timelineId: 1, remaining: 0 }), lsn - segmentLsn);
    }
  }

  /** SF2. */
  async cut(endLsn: Lsn): Promise<void> {
    const numbers = await this.numbers();
    for (const number of numbers.reverse())
      if (this.startOf(number) >= endLsn) await this.disk.remove(this.pathOf(number));
    if (endLsn > this.startOf(this.numberOf(endLsn)) && numbers.includes(this.numberOf(endLsn))) {
      const file = await this.disk.open(this.pathOf(this.numberOf(endLsn)), 'r+');
      try {
        // Two changes of length are the shortest way to zeros up to the end, and are journaled by the file system.
        await file.truncate(endLsn % this.segmentSize);
        await file.truncate(this.segmentSize);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    await syncDirectory(this.disk, this.directory);
  }

  /** Whether anything but zeros, or a file that is too short, follows `lsn`. */
  async holdsAnythingFrom(lsn: Lsn): Promise<boolean> {
    for (const number of await this.numbers()) {
      const startLsn = Lsn.max(lsn, this.startOf(number));
      if (this.numberOf(startLsn) !== number) continue;
      const file = await this.openForReading(number);
      if (file === undefined) continue;
      try {
        const { size } = await file.stat();
        if (size !== this.segmentSize || !(await this.isZeroFrom(file, startLsn % this.segmentSize))) return true;
      } finally {
        await file.close();
      }
    }
    return false;
  }

  private async isZeroFrom(file: DiskFile, offset: number): Promise<boolean> {
    const buffer = Buffer.alloc(ZEROS.length);
    for (let at = offset; at < this.segmentSize;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0 || ZEROS.compare(buffer, 0, bytesRead, 0, bytesRead) !== 0) return false;
      at += bytesRead;
    }
    return true;
  }

  /** SF4. @returns how many files it removed */
  async removeBelow(lsn: Lsn): Promise<number> {
    const numbers = (await this.numbers()).filter((number) => this.startOf(number + 1) <= lsn);
    for (const number of numbers) await this.disk.remove(this.pathOf(number));
    return numbers.length;
  }

  /** From the oldest segment on. */
  async removeAll(): Promise<void> {
    for (const number of await this.numbers()) await this.disk.remove(this.pathOf(number));
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
