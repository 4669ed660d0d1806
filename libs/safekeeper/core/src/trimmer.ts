/**
 * Trims one timeline's WAL: gathers who needs what, and tells the disk when a segment is needed by nobody (`trim.ts`).
 *
 *   TM1  The commit LSN it goes by is durable in the control file, so that a scan after a restart finds its beginning.
 *   TM2  A reader is not overtaken: WAL that it has still to be sent stays as long as it is connected.
 *   TM3  One trim at a time; what has become possible meanwhile follows.
 */
import type { AcceptorState } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import type { TimelineStore } from './timeline-store';
import {
  type ArchivedPosition,
  type TrimHorizon,
  type TrimPositions,
  type UnarchivedWal,
  trimHorizon,
  trimTarget,
} from './trim';

export interface TrimmerOptions {
  readonly store: Pick<TimelineStore, 'trim'>;
  readonly unarchived: UnarchivedWal;
  readonly trimmedLsn: Lsn;
  readonly durableCommitLsn: Lsn;
  acceptor(): AcceptorState;
  archivedLsn(): ArchivedPosition;
  onTrimmed(): void;
  onFailed(error: unknown): void;
}

export class Trimmer {
  private readonly readers = new Set<() => Lsn>();
  private remoteLsn = Lsn.ZERO;
  private durableCommitLsn: Lsn;
  private isTrimming = false;
  /** WAL below it is no longer here. */
  trimmedLsn: Lsn;

  constructor(private readonly options: TrimmerOptions) {
    this.trimmedLsn = options.trimmedLsn;
    this.durableCommitLsn = options.durableCommitLsn;
  }

  /** `Lsn.ZERO` until a pageserver has said what it has. */
  get remoteConsistentLsn(): Lsn {
    return this.remoteLsn;
  }

  get horizon(): TrimHorizon {
    return trimHorizon(this.positions(), this.options.unarchived);
  }

  /** TM2. @returns a function that removes it again */
  addReader(position: () => Lsn): () => void {
    this.readers.add(position);
    return () => {
      this.readers.delete(position);
      this.consider();
    };
  }

  /** Somebody who knows says that no pageserver of this timeline will ask for WAL below `lsn` again. */
  remoteConsistent(lsn: Lsn): void {
    if (lsn <= this.remoteLsn) return;
    this.remoteLsn = lsn;
    this.consider();
  }

  /** TM1. */
  saved(commitLsn: Lsn): void {
    this.durableCommitLsn = Lsn.max(this.durableCommitLsn, commitLsn);
    this.consider();
  }

  /** Nothing is removed now, the commit LSN is durable up to `lsn`, and each reader has been sent what is below. */
  isSettledAt(lsn: Lsn): boolean {
    return (
      !this.isTrimming && this.durableCommitLsn === lsn && [...this.readers].every((position) => position() >= lsn)
    );
  }

  /** All that is below is in the archive alone. */
  offloaded(trimmedLsn: Lsn): void {
    this.trimmedLsn = trimmedLsn;
  }

  /** Cheap when there is nothing to do. */
  consider(): void {
    if (this.isTrimming) return;
    const { unarchived, store, acceptor } = this.options;
    const target = trimTarget(this.positions(), unarchived, acceptor().identity.walSegmentSize);
    if (target === this.trimmedLsn) return;
    this.isTrimming = true;
    // Before the files are gone: a read that begins now is told so, and does not find a file missing.
    this.trimmedLsn = target;
    store.trim(target).then(
      () => {
        this.isTrimming = false;
        this.options.onTrimmed();
        this.consider();
      },
      (error: unknown) => this.options.onFailed(error),
    );
  }

  private positions(): TrimPositions {
    const { acceptor, archivedLsn } = this.options;
    const { truncateLsn } = acceptor();
    return {
      trimmedLsn: this.trimmedLsn,
      durableCommitLsn: this.durableCommitLsn,
      truncateLsn,
      remoteConsistentLsn: this.remoteLsn,
      archivedLsn: archivedLsn(),
      readerLsns: [...this.readers].map((position) => position()),
    };
  }
}
