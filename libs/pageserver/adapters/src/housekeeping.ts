/**
 * What happens to timelines as time passes: old in-memory layers are written out, piled-up layers compacted.
 *
 *   K1  One compaction at a time in the process, each cut into small pieces: reads go on in between.
 *   K2  A failure is logged and tried again after a pause that doubles, up to PAUSE_MAX_MS; other timelines are not held up.
 */
import {
  type CompactionLimits,
  DEFAULT_COMPACTION,
  type Pageserver,
  type Timeline,
  compact,
  planCompaction,
} from '@neon/pageserver-core';
import type { Logger } from '@neon/telemetry';
import { nameOf } from './wal/wal-receiver';

const ROUND_MS = 1_000;
/** A compaction that fails at its end has read and written much: it may not be tried all the time. */
const PAUSE_MAX_MS = 5 * 60_000;

export class Housekeeping {
  private readonly timer: NodeJS.Timeout;
  private round: Promise<void> = Promise.resolve();
  private isBusy = false;
  private isStopped = false;
  private compacting: Promise<void> = Promise.resolve();
  /** K2: timelines that failed, and when they are tried again. */
  private readonly failed = new WeakMap<Timeline, { readonly pauseMs: number; readonly untilMs: number }>();

  constructor(
    private readonly pageserver: Pageserver,
    private readonly logger: Logger,
    private readonly limits: CompactionLimits = DEFAULT_COMPACTION,
  ) {
    this.timer = setInterval(() => {
      if (this.isBusy) return;
      this.isBusy = true;
      this.round = this.runRound().finally(() => (this.isBusy = false));
    }, ROUND_MS);
  }

  /** Compacts one timeline now, after what is under way. */
  compact(timeline: Timeline, { force }: { force: boolean }): Promise<void> {
    const next = this.compacting.then(async () => {
      for (const job of planCompaction(timeline.layerMap, this.limits, { force }))
        await compact(timeline, job, this.limits);
    });
    this.compacting = next.catch(() => undefined);
    return next;
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.round;
    await this.compacting;
  }

  private async runRound(): Promise<void> {
    for (const timeline of this.pageserver.all()) {
      if (this.isStopped) return;
      const isDeleted = this.pageserver.find(timeline.index) !== timeline;
      if (!isDeleted && Date.now() >= (this.failed.get(timeline)?.untilMs ?? 0)) await this.visit(timeline);
    }
  }

  private async visit(timeline: Timeline): Promise<void> {
    try {
      await timeline.tick(Date.now());
      await this.compact(timeline, { force: false });
      this.failed.delete(timeline);
    } catch (error) {
      const pauseMs = Math.min(2 * (this.failed.get(timeline)?.pauseMs ?? ROUND_MS), PAUSE_MAX_MS);
      this.failed.set(timeline, { pauseMs, untilMs: Date.now() + pauseMs });
      this.logger.error(
        { ...nameOf(timeline), error: error instanceof Error ? error.message : String(error), pauseMs },
        'housekeeping failed',
      );
    }
  }
}
