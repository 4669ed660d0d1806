/** One timeline and the archive: what goes into it, what is read back, and whether all of it is there alone. */
import { AcceptorState } from '@neon/consensus';
import { type Lsn, Unavailable } from '@neon/kernel';
import type { OpenedTimeline } from '../timeline-store';
import type { ArchiveContext } from './archive-context';
import { ArchivedWal } from './archived-wal';
import { Residence } from './residence';
import { type ArchivePeer, TimelineArchive } from './timeline-archive';

/** What a timeline offers to these parts; see `Residence` and `TimelineArchive`. */
export interface ArchiveHost {
  acceptor(): AcceptorState;
  isUnused(): boolean;
  alone(run: () => Promise<void>): Promise<void>;
  onArchived(): void;
  onOffloaded(trimmedLsn: Lsn): void;
  onRestored(): void;
}

export class TimelineInArchive {
  readonly wal: ArchivedWal;
  private readonly progress: TimelineArchive;
  private readonly residence: Residence;

  /** Undefined without an archive. @throws Unavailable when its WAL is in an archive that this safekeeper does not have */
  static of(
    context: ArchiveContext | undefined,
    opened: OpenedTimeline,
    host: ArchiveHost,
  ): TimelineInArchive | undefined {
    if (context !== undefined) return new TimelineInArchive(context, opened, host);
    if (opened.offloaded === null) return undefined;
    throw new Unavailable('its WAL is in the archive alone, and this safekeeper has none configured');
  }

  private constructor(
    context: ArchiveContext,
    { control, store, trimmedLsn, offloaded }: OpenedTimeline,
    host: ArchiveHost,
  ) {
    const startLsn = AcceptorState.startLsn(control);
    this.progress = new TimelineArchive({ ...context, ...host, store, trimmedLsn, startLsn });
    this.wal = new ArchivedWal({ ...context, identity: control.identity, startLsn });
    this.residence = new Residence({ ...host, context, store, offloaded });
  }

  /** WAL below it was seen in the archive (TA1). */
  get archivedLsn(): Lsn {
    return this.progress.archivedLsn;
  }

  /** Every whole committed segment was seen there. */
  get isComplete(): boolean {
    return this.progress.isComplete;
  }

  /** Its WAL is there alone. */
  get isOffloaded(): boolean {
    return this.residence.isOffloaded;
  }

  /** Whether it is this safekeeper that puts the timeline's WAL there. */
  leads(): boolean {
    return this.progress.leads();
  }

  /** What another safekeeper told. */
  heard(peer: ArchivePeer): void {
    this.progress.heard(peer);
  }

  /** More may be committed: cheap when there is nothing to do. */
  committed(): void {
    this.progress.consider();
  }

  used(): void {
    this.residence.used();
  }

  /** Now and then: gives its place on the disk up when it was not used for long. */
  considerOffload(): void {
    this.residence.consider();
  }

  /** Undefined when its WAL is here. Rejects with Corrupt or Unavailable. */
  restore(): Promise<void> | undefined {
    return this.residence.restore();
  }

  /** The timeline is about to be removed here. Rejects when the archive cannot be reached. */
  leave(): Promise<void> {
    return this.residence.leave();
  }

  /** Whoever opens the timeline again must not meet a tail that is still being put or removed. */
  async close(): Promise<void> {
    void this.progress.close();
    await this.residence.close();
  }

  /** Resolves when nothing more of it can come into the archive. */
  async left(): Promise<void> {
    await Promise.all([this.progress.close(), this.residence.close()]);
  }
}
