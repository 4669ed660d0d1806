/**
 * Whether a timeline's WAL is on this disk, or in the archive alone because nobody has used it for long.
 *
 *   RS1  It leaves the disk when all of it is committed, durably known to be, and seen in the archive, and nobody is connected
 *        but readers that have all of it.
 *   RS2  First the segment in which the log ends is put into the archive, under a name of this safekeeper's own; then it is
 *        durable here that the log is there; then the files go. Interrupted anywhere, it is either here or there.
 *   RS3  It is back when that segment is durable here again, checked, and only then is anything answered that depends on it.
 *        When it cannot be had, that is an error: the log is never taken for an empty one.
 *   RS4  The objects of earlier absences are removed.
 */
import { AcceptorState } from '@neon/consensus';
import { Corrupt, Lsn, Unavailable } from '@neon/kernel';
import type { TimelineStore } from '../timeline-store';
import type { ArchiveContext } from './archive-context';
import { type OffloadPoint, isTailOf, tailName, tailPrefix } from './archive-layout';
import type { ArchiveWork, WorkDone } from './archive-queue';
import { SegmentCheck } from './segment-check';

export interface ResidenceOptions {
  readonly context: ArchiveContext;
  readonly store: Pick<TimelineStore, 'read' | 'offload' | 'restore'>;
  /** As the disk has it: null when the WAL is here. */
  readonly offloaded: OffloadPoint | null;
  acceptor(): AcceptorState;
  /** RS1, but for the time. */
  isUnused(): boolean;
  /** Runs between two inputs of the timeline, and not when one waits. */
  alone(run: () => Promise<void>): Promise<void>;
  /** The WAL below it is about to go, and is in the archive. */
  onOffloaded(trimmedLsn: Lsn): void;
  onRestored(): void;
}

/** The segment in which a log ends. */
interface Tail {
  readonly name: string;
  readonly segmentLsn: Lsn;
  readonly endLsn: Lsn;
}

const READ_SIZE = 128 * 1024;
const DONE: WorkDone = { more: false, putBytes: 0 };
const NOTHING = new Uint8Array(0);

export class Residence implements ArchiveWork {
  private point: OffloadPoint | null;
  private restoring: Promise<void> | undefined;
  private usedMs: number;
  private mustSweep = false;

  constructor(private readonly options: ResidenceOptions) {
    this.point = options.offloaded;
    this.usedMs = options.context.clock.now();
  }

  get isOffloaded(): boolean {
    return this.point !== null;
  }

  used(): void {
    this.usedMs = this.options.context.clock.now();
  }

  /** Now and then: whether it is time to go. */
  consider(): void {
    if (this.isDue) this.options.context.queue.ask(this);
  }

  private get isDue(): boolean {
    const { context, isUnused } = this.options;
    return this.point === null && context.clock.now() - this.usedMs >= context.offloadAfterMs && isUnused();
  }

  close(): Promise<void> {
    return this.options.context.queue.drop(this);
  }

  async step(): Promise<WorkDone> {
    const putBytes = this.isDue ? await this.offload() : 0;
    if (this.mustSweep) await this.sweep();
    return { ...DONE, putBytes };
  }

  /** RS2. @returns what was put into the archive */
  private async offload(): Promise<number> {
    const { context, acceptor, store, alone, onOffloaded } = this.options;
    const state = acceptor();
    const point = { endLsn: state.commitLsn, term: AcceptorState.lastLogTerm(state) };
    const tail = this.tailOf(point);
    const bytes = tail === undefined ? NOTHING : await this.readTail(tail);
    this.mustSweep = true;
    if (tail !== undefined) await context.archive.put(tail.name, bytes);
    await alone(async () => {
      if (!this.isDue || acceptor().writeLsn !== point.endLsn) return;
      this.point = point;
      const trimmedLsn = this.trimmedLsn(point);
      // Before the files are gone: no trim follows that would say that the rest is here, and readers are given it from the archive.
      onOffloaded(trimmedLsn);
      await store.offload(trimmedLsn, point);
      context.events.offloaded(tail?.name);
    });
    return bytes.length;
  }

  /** RS3. Undefined when the WAL is here. Rejects with Corrupt or Unavailable. */
  restore(): Promise<void> | undefined {
    const { point } = this;
    if (point === null) return undefined;
    this.restoring ??= this.options.context.restores
      .run(() => this.bringBack(point))
      .catch((cause: unknown) => {
        const message = `its WAL is in the archive, and cannot be had: ${messageOf(cause)}`;
        throw cause instanceof Corrupt ? new Corrupt(message, { cause }) : new Unavailable(message, { cause });
      })
      .finally(() => {
        this.restoring = undefined;
      });
    return this.restoring;
  }

  private async bringBack(point: OffloadPoint): Promise<void> {
    const { context, store, onRestored } = this.options;
    const tail = this.tailOf(point);
    const bytes = tail === undefined ? NOTHING : await this.fetchTail(tail);
    await store.restore(this.trimmedLsn(point), bytes);
    this.point = null;
    this.used();
    onRestored();
    context.events.restored(tail?.name);
    this.mustSweep = true;
    context.queue.ask(this);
  }

  private async fetchTail({ name, segmentLsn, endLsn }: Tail): Promise<Uint8Array> {
    const { archive, events } = this.options.context;
    const bytes = await archive.get(name);
    const damaged = (what: string): never => {
      events.damaged(name, what);
      throw new Corrupt(`${name} ${what}`);
    };
    if (bytes === null) return damaged('is missing in the archive');
    if (bytes.length !== endLsn - segmentLsn)
      return damaged(`has ${bytes.length} bytes in the archive, not ${endLsn - segmentLsn}`);
    try {
      const check = this.check(segmentLsn);
      check.push(bytes);
      check.finish(endLsn);
    } catch (error) {
      return damaged(messageOf(error));
    }
    return bytes;
  }

  private async readTail({ segmentLsn, endLsn }: Tail): Promise<Uint8Array> {
    const bytes = new Uint8Array(endLsn - segmentLsn);
    const check = this.check(segmentLsn);
    for (let at = 0; at < bytes.length;) {
      const size = Math.min(READ_SIZE, bytes.length - at);
      const piece = await this.options.store.read(Lsn.advance(segmentLsn, at), size).catch((cause: unknown) => {
        throw new Error(`WAL below ${Lsn.format(endLsn)} cannot be read`, { cause });
      });
      check.push(piece);
      bytes.set(piece, at);
      at += piece.length;
    }
    check.finish(endLsn);
    return bytes;
  }

  /** What a restart would find: pages of this place, and records up to the end of the log. */
  private check(segmentLsn: Lsn): SegmentCheck {
    const { identity, startLsn } = this.place;
    return new SegmentCheck({ identity, startLsn, segmentLsn });
  }

  /** RS4. For good: its WAL comes back, and nothing of this safekeeper's own stays in the archive. */
  async leave(): Promise<void> {
    await this.restore();
    await this.removeOthers();
    this.mustSweep = false;
  }

  /** RS4. What another safekeeper put is its own. */
  private async sweep(): Promise<void> {
    // When the timeline comes back meanwhile, the object that is kept here is to be removed by another sweep.
    this.mustSweep = false;
    try {
      await this.removeOthers();
    } catch (error) {
      this.mustSweep = true;
      throw error;
    }
  }

  private async removeOthers(): Promise<void> {
    const { archive } = this.options.context;
    const { identity, safekeeperId } = this.options.acceptor();
    const kept = this.point === null ? undefined : this.tailOf(this.point)?.name;
    const names: string[] = [];
    for await (const name of archive.list(tailPrefix(identity)))
      if (isTailOf(name, safekeeperId) && name !== kept) names.push(name);
    if (names.length > 0) await archive.remove(names);
  }

  private get place() {
    const state = this.options.acceptor();
    return { identity: state.identity, safekeeperId: state.safekeeperId, startLsn: AcceptorState.startLsn(state) };
  }

  private segmentLsn({ endLsn }: OffloadPoint): Lsn {
    return Lsn.of(endLsn - (endLsn % this.place.identity.walSegmentSize));
  }

  private trimmedLsn(point: OffloadPoint): Lsn {
    return Lsn.max(this.place.startLsn, this.segmentLsn(point));
  }

  /** Undefined when there is no WAL in the segment in which the log ends. */
  private tailOf(point: OffloadPoint): Tail | undefined {
    const { identity, safekeeperId } = this.place;
    if (point.endLsn === this.trimmedLsn(point)) return undefined;
    const name = tailName(identity, point, safekeeperId);
    return { name, segmentLsn: this.segmentLsn(point), endLsn: point.endLsn };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
