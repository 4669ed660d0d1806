/**
 * The work of all timelines with the archive, a few at a time.
 *
 *   AQ1  At most `slots` pieces of work are under way; the others wait in the order in which they were asked for.
 *   AQ2  One piece of a timeline is under way at a time; what was asked for meanwhile follows, behind the others.
 *   AQ3  After a failure of the archive everything waits, for longer each time it fails again and never longer than
 *        PAUSE_MS_MAX; nothing is lost. Any other error lets its own timeline wait and no other.
 *   AQ4  What goes into the archive takes a slot for as long as it takes at `bytesPerSecondMax`: the disk is for commits.
 */
import { type Clock, Unavailable } from '@neon/kernel';

/** Waits, then calls: the shell's timer. */
export type Later = (delayMs: number, run: () => void) => void;

export interface WorkDone {
  /** There is more to do at once. */
  readonly more: boolean;
  /** What was put into the archive. */
  readonly putBytes: number;
}

/** Something that has pieces of work to do. */
export interface ArchiveWork {
  step(): Promise<WorkDone>;
}

export interface ArchiveQueueOptions {
  readonly slots: number;
  readonly bytesPerSecondMax: number;
  readonly clock: Clock;
  readonly later: Later;
  failed(error: Error): void;
}

export const PAUSE_MS_MIN = 500;
export const PAUSE_MS_MAX = 60_000;

export class ArchiveQueue {
  /** In the order in which they were asked for. */
  private readonly waiting = new Set<ArchiveWork>();
  private readonly running = new Map<ArchiveWork, Promise<void>>();
  private readonly askedAgain = new Set<ArchiveWork>();
  /** What failed for a reason of its own, until it is tried again (AQ3). */
  private readonly resting = new Set<ArchiveWork>();
  private readonly dropped = new WeakSet<ArchiveWork>();
  private busySlots = 0;
  private failureCount = 0;
  private isPaused = false;
  private isStopped = false;

  constructor(private readonly options: ArchiveQueueOptions) {}

  ask(work: ArchiveWork): void {
    if (this.dropped.has(work) || this.resting.has(work)) return;
    if (this.running.has(work)) this.askedAgain.add(work);
    else this.waiting.add(work);
    this.next();
  }

  /** For ever: resolves when nothing of it is under way. */
  async drop(work: ArchiveWork): Promise<void> {
    this.dropped.add(work);
    this.waiting.delete(work);
    this.askedAgain.delete(work);
    await this.running.get(work);
  }

  /** Nothing more is begun. */
  stop(): void {
    this.isStopped = true;
  }

  private next(): void {
    while (!this.isStopped && !this.isPaused && this.busySlots < this.options.slots) {
      const [work] = this.waiting;
      if (work === undefined) return;
      this.waiting.delete(work);
      this.busySlots++;
      this.running.set(work, this.run(work));
    }
  }

  private async run(work: ArchiveWork): Promise<void> {
    const { clock, later, bytesPerSecondMax } = this.options;
    const startedMs = clock.now();
    let pauseMs = 0;
    try {
      const { more, putBytes } = await work.step();
      this.failureCount = 0;
      if (more) this.askedAgain.add(work);
      pauseMs = (1000 * putBytes) / bytesPerSecondMax - (clock.now() - startedMs);
    } catch (error) {
      this.failed(work, error instanceof Error ? error : new Error(String(error)));
    }
    this.running.delete(work);
    if (this.askedAgain.delete(work) && !this.dropped.has(work)) this.waiting.add(work);
    const free = (): void => {
      this.busySlots--;
      this.next();
    };
    if (pauseMs > 0) later(pauseMs, free);
    else free();
  }

  /** AQ3. */
  private failed(work: ArchiveWork, error: Error): void {
    const { later, failed } = this.options;
    failed(error);
    this.askedAgain.delete(work);
    if (!(error instanceof Unavailable)) {
      this.resting.add(work);
      return later(PAUSE_MS_MAX, () => {
        this.resting.delete(work);
        this.ask(work);
      });
    }
    if (!this.dropped.has(work)) this.waiting.add(work);
    if (this.isPaused) return;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(this.failureCount, 10));
    this.failureCount++;
    this.isPaused = true;
    later(pauseMs, () => {
      this.isPaused = false;
      this.next();
    });
  }
}
