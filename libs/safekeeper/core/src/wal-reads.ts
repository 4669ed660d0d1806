/**
 * Reads of one timeline's WAL: from the tail in memory, from blocks that readers share, or from the files.
 *
 *   RD1  A block of committed WAL is shared by all readers; the end of the log is read for each alone.
 *   RD2  What was trimmed is read from the archive; without one it is refused, not missed.
 *   RD3  The tail is in memory only while somebody reads it, or has just done so.
 *   RD4  The end of an offloaded log is read when it is here again.
 */
import type { AcceptorState } from '@neon/consensus';
import { Lsn, Refusal } from '@neon/kernel';
import type { ArchivedWal } from './archive/archived-wal';
import type { CacheOwner, ReadCache } from './read-cache';
import { TailCache } from './tail-cache';
import type { TimelineStore } from './timeline-store';

/** Largest piece of WAL a reader gets at once, and the block in which readers share what is read from files. */
export const READ_SIZE_MAX = 128 * 1024;

export interface WalReadsOptions {
  readonly store: Pick<TimelineStore, 'read'>;
  readonly blocks: ReadCache;
  acceptor(): AcceptorState;
  firstLsn(): Lsn;
  /** Undefined without an archive. */
  readonly archived: ArchivedWal | undefined;
  /** RD4: undefined when it is here. */
  restore(): Promise<void> | undefined;
}

export class WalReads {
  private readonly tail = new TailCache();
  private readonly owner: CacheOwner;
  private readerCount = 0;

  constructor(private readonly options: WalReadsOptions) {
    this.owner = options.blocks.owner();
  }

  /** RD3. @returns a function that removes it again */
  addReader(): () => void {
    this.readerCount++;
    return () => {
      this.readerCount--;
    };
  }

  appended(startLsn: Lsn, bytes: Uint8Array): void {
    if (this.readerCount > 0) this.tail.append(startLsn, bytes);
  }

  truncated(endLsn: Lsn): void {
    this.tail.truncate(endLsn);
  }

  /** Now and then: `isResting` when nothing was appended since the last time. */
  settle(isResting: boolean): void {
    if (this.readerCount === 0 || isResting) this.tail.clear();
  }

  clear(): void {
    this.tail.clear();
  }

  /** RD2. @throws Refusal `WalTrimmed` */
  requireKept(startLsn: Lsn): void {
    const firstLsn = this.options.firstLsn();
    if (startLsn >= firstLsn || this.options.archived !== undefined) return;
    throw new Refusal(
      'WalTrimmed',
      `WAL below ${Lsn.format(firstLsn)} was removed from this safekeeper, which has no archive to read ` +
        `${Lsn.format(startLsn)} from: begin with a base backup that is newer`,
    );
  }

  /** WAL from `startLsn` on, at most `sizeMax` bytes, at least one. The caller knows that it exists. */
  read(startLsn: Lsn, sizeMax: number): Promise<Uint8Array> {
    const bytes = this.tail.read(startLsn, sizeMax);
    return bytes === undefined ? this.readFiles(startLsn, sizeMax) : Promise.resolve(bytes);
  }

  /** RD1. */
  private async readFiles(startLsn: Lsn, sizeMax: number): Promise<Uint8Array> {
    this.requireKept(startLsn);
    const { store, blocks, acceptor, archived, restore, firstLsn } = this.options;
    const keptLsn = firstLsn();
    if (startLsn < keptLsn && archived !== undefined)
      return archived.read(startLsn, Math.min(sizeMax, keptLsn - startLsn));
    await restore();
    const offset = startLsn % READ_SIZE_MAX;
    const blockLsn = Lsn.of(startLsn - offset);
    if (Lsn.advance(blockLsn, READ_SIZE_MAX) > acceptor().commitLsn) return store.read(startLsn, sizeMax);
    const name = { owner: this.owner, lsn: blockLsn, size: READ_SIZE_MAX };
    const block = await blocks.read(name, () => store.read(blockLsn, READ_SIZE_MAX));
    const bytes = block.subarray(offset, offset + sizeMax);
    // A file that ends within the block is shorter than a segment, and is reported where its end is read.
    return bytes.length > 0 ? bytes : store.read(startLsn, sizeMax);
  }
}
