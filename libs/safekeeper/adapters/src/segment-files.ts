/**
 * The WAL segments of one timeline as files, under Postgres' own names, each of full size from the beginning.
 *
 *   SF1  A segment file has its full size when its name appears, and holds zeros where no WAL was written.
 *   SF2  `cut` leaves zeros or no file beyond `endLsn`; when it is interrupted, what is left beyond is never reached
 *        from below by a scan, because it goes from the end towards `endLsn`.
 *   SF3  Nothing is written to a segment whose name may not be durable. A sync that failed is not tried again: the next one
 *        may succeed without having brought to the disk what the first one lost.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TermHistory, type DurableAcceptorState } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import { type PostgresMajor, WAL_PAGE_SIZE, WalSegment, encodePageHeader } from '@neon/postgres';
import { syncDirectory, writeAll } from './durable-file';

const ZEROS = Buffer.alloc(1024 * 1024);

export class SegmentFiles {
  readonly segmentSize: number;
  private nameFailure: Error | undefined;

  constructor(
    readonly directory: string,
    private readonly control: DurableAcceptorState,
    private readonly syncNames: (directory: string) => Promise<void> = syncDirectory,
  ) {
    this.segmentSize = control.identity.walSegmentSize;
  }

  numberOf = (lsn: Lsn): number => Math.floor(lsn / this.segmentSize);

  startOf = (number: number): Lsn => Lsn.of(number * this.segmentSize);

  pathOf = (number: number): string =>
    join(this.directory, WalSegment.fileName({ lsn: this.startOf(number), segmentSize: this.segmentSize }));

  /** In ascending order. */
  async numbers(): Promise<number[]> {
    const names = await readdir(this.directory);
    return names
      .flatMap((name) => {
        const address = WalSegment.parseFileName(name, this.segmentSize);
        return address === null ? [] : [this.numberOf(address.lsn)];
      })
      .sort((a, b) => a - b);
  }

  /** For writes that are durable when they return. Makes the file when there is none. */
  async openForWriting(number: number): Promise<FileHandle> {
    const flags = constants.O_RDWR | constants.O_DSYNC;
    if (this.nameFailure !== undefined) throw this.nameFailure;
    try {
      return await open(this.pathOf(number), flags);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await this.create(number, { zeroFill: false });
      return open(this.pathOf(number), flags);
    }
  }

  /** Undefined when there is no such file. */
  async openForReading(number: number): Promise<FileHandle | undefined> {
    try {
      return await open(this.pathOf(number), 'r');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * SF1. With `zeroFill` its blocks are allocated too, so that later writes change no metadata: slower now, and every
   * flush is faster. The first segment of a timeline does without, so that creating a timeline costs nothing.
   */
  async create(number: number, { zeroFill }: { zeroFill: boolean }): Promise<void> {
    const path = this.pathOf(number);
    const temporary = `${path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.truncate(this.segmentSize);
      if (zeroFill)
        for (let at = 0; at < this.segmentSize; at += ZEROS.length)
          await writeAll(file, ZEROS.subarray(0, this.segmentSize - at), at);
      await this.writeLeadIn(file, number);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    try {
      await this.syncNames(this.directory);
    } catch (cause) {
      this.nameFailure = new Error(`the name of ${path} may not be durable`, { cause });
      throw this.nameFailure;
    }
  }

  /** The headers that Postgres' tools look for before the first WAL of a timeline that begins within this segment. */
  private async writeLeadIn(file: FileHandle, number: number): Promise<void> {
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
    for (const number of numbers.reverse()) if (this.startOf(number) >= endLsn) await rm(this.pathOf(number));
    if (endLsn > this.startOf(this.numberOf(endLsn)) && numbers.includes(this.numberOf(endLsn))) {
      const file = await open(this.pathOf(this.numberOf(endLsn)), 'r+');
      try {
        // Two changes of length are the shortest way to zeros up to the end, and are journaled by the file system.
        await file.truncate(endLsn % this.segmentSize);
        await file.truncate(this.segmentSize);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    await syncDirectory(this.directory);
  }
}

export const isMissing = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
