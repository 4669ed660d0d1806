/**
 * One timeline's committed WAL on its way into the archive, segment by segment.
 *
 *   TA1  Every segment of the WAL that was here when the timeline was opened, up to `archivedLsn`, was seen in the archive by
 *        this process: put by it, or there in full size. What others say is a reason to look, and nothing more.
 *   TA2  Only whole committed segments are put, checked page by page and record by record (`segment-check.ts`).
 *   TA3  The leader (`archive-leader.ts`) puts. Any other safekeeper puts a segment that the leader says is there and is not, and
 *        one that is still not there PATIENCE_MS after it was missed.
 *   TA4  An object of another size than a segment's is reported, and replaced.
 *   TA5  One segment is in memory at a time.
 */
import type { AcceptorState } from '@neon/consensus';
import { type Clock, Lsn, type SafekeeperId } from '@neon/kernel';
import type { TimelineStore } from '../timeline-store';
import { type ArchiveCandidate, archiveLeader } from './archive-leader';
import { segmentName } from './archive-layout';
import type { ArchiveQueue, ArchiveWork, Later, WorkDone } from './archive-queue';
import { SegmentCheck } from './segment-check';
import type { ArchiveEvents, WalArchive } from './wal-archive';

export interface TimelineArchiveOptions {
  readonly archive: WalArchive;
  readonly queue: ArchiveQueue;
  readonly clock: Clock;
  readonly later: Later;
  readonly events: Pick<ArchiveEvents, 'archived' | 'damaged'>;
  readonly store: Pick<TimelineStore, 'read'>;
  /** The start of the WAL that is here. */
  readonly trimmedLsn: Lsn;
  /** Where the timeline's own WAL begins. */
  readonly startLsn: Lsn;
  acceptor(): AcceptorState;
  onArchived(): void;
}

/** What another safekeeper told of the timeline. */
export interface ArchivePeer {
  readonly safekeeperId: SafekeeperId;
  readonly commitLsn: Lsn;
  readonly archivedLsn: Lsn;
  readonly isArchiving: boolean;
}

/** A leader needs seconds for a segment, and a minute when its archive is slow. */
export const PATIENCE_MS = 60_000;
/** How often one that waits for the leader looks by itself; most often it is told. */
const LOOK_MS = 5_000;
const READ_SIZE = 128 * 1024;

const DONE: WorkDone = { more: false, putBytes: 0 };
const NEXT: WorkDone = { more: true, putBytes: 0 };

export class TimelineArchive implements ArchiveWork {
  private readonly peers = new Map<SafekeeperId, ArchivePeer & { readonly heardMs: number }>();
  private missedMs: number | undefined;
  private hasLed = false;
  private isWaiting = false;
  private isClosed = false;
  /** TA1. */
  archivedLsn: Lsn;

  constructor(private readonly options: TimelineArchiveOptions) {
    this.archivedLsn = options.trimmedLsn;
  }

  /** The segment that is next. */
  private get segmentLsn(): Lsn {
    const { walSegmentSize } = this.options.acceptor().identity;
    return Lsn.of(this.archivedLsn - (this.archivedLsn % walSegmentSize));
  }

  private get segmentEndLsn(): Lsn {
    return Lsn.advance(this.segmentLsn, this.options.acceptor().identity.walSegmentSize);
  }

  /** Every whole committed segment was seen in the archive. */
  get isComplete(): boolean {
    return this.segmentEndLsn > this.options.acceptor().commitLsn;
  }

  /** Whether this safekeeper is the one to put (LE2); it goes on if it was, and the others are told (LE3). */
  leads(): boolean {
    const { acceptor, clock } = this.options;
    const { identity, safekeeperId, commitLsn } = acceptor();
    const nowMs = clock.now();
    const self: ArchiveCandidate = { safekeeperId, commitLsn, isArchiving: this.hasLed, heardMs: nowMs };
    const leader = archiveLeader(identity.timelineId, [self, ...this.peers.values()], nowMs);
    this.hasLed = leader === safekeeperId;
    return this.hasLed;
  }

  /** Cheap when there is nothing to do: it is called after every commit. */
  consider(): void {
    if (!this.isClosed && !this.isWaiting && !this.isComplete) this.options.queue.ask(this);
  }

  heard(peer: ArchivePeer): void {
    this.peers.set(peer.safekeeperId, { ...peer, heardMs: this.options.clock.now() });
    if (peer.archivedLsn <= this.archivedLsn) return;
    this.isWaiting = false;
    this.consider();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.options.queue.drop(this);
  }

  async step(): Promise<WorkDone> {
    if (this.isClosed || this.isComplete) return DONE;
    const { archive, acceptor, events } = this.options;
    const { identity } = acceptor();
    const name = segmentName(identity, this.segmentLsn);
    // What is told while this looks may be true by now; it asks for another look.
    const isToldToBeThere = this.isToldToBeThere();
    const size = await archive.sizeOf(name);
    if (size === identity.walSegmentSize) return this.seen();
    if (size !== null) events.damaged(name, `has ${size} bytes in the archive, not ${identity.walSegmentSize}`);
    if (size === null && isToldToBeThere) events.damaged(name, 'is missing in the archive');
    if (!this.isMine(isToldToBeThere)) return DONE;
    const bytes = await this.readSegment();
    if (this.isClosed) return DONE;
    await archive.put(name, bytes);
    events.archived(bytes.length);
    return { ...this.seen(), putBytes: bytes.length };
  }

  private seen(): WorkDone {
    this.archivedLsn = this.segmentEndLsn;
    this.missedMs = undefined;
    this.options.onArchived();
    return this.isComplete ? DONE : NEXT;
  }

  private isToldToBeThere(): boolean {
    return [...this.peers.values()].some(
      ({ archivedLsn, isArchiving }) => isArchiving && archivedLsn >= this.segmentEndLsn,
    );
  }

  /** TA3. */
  private isMine(isToldToBeThere: boolean): boolean {
    const { clock, later } = this.options;
    const nowMs = clock.now();
    this.missedMs ??= nowMs;
    if (this.leads() || isToldToBeThere || nowMs - this.missedMs >= PATIENCE_MS) return true;
    this.isWaiting = true;
    later(LOOK_MS, () => {
      this.isWaiting = false;
      this.consider();
    });
    return false;
  }

  /** TA2, TA5. @throws Corrupt when it is not WAL any more, Error when the disk fails: not the archive did */
  private async readSegment(): Promise<Uint8Array> {
    const { acceptor, startLsn, store } = this.options;
    const { identity } = acceptor();
    const { segmentLsn } = this;
    const bytes = new Uint8Array(identity.walSegmentSize);
    const check = new SegmentCheck({ identity, startLsn, segmentLsn });
    for (let at = 0; at < bytes.length;) {
      const lsn = Lsn.advance(segmentLsn, at);
      const piece = await store.read(lsn, Math.min(READ_SIZE, bytes.length - at)).catch((cause: unknown) => {
        throw new Error(`WAL at ${Lsn.format(lsn)} cannot be read`, { cause });
      });
      check.push(piece);
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}
