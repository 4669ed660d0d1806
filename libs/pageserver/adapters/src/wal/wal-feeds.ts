/**
 * One WAL receiver for each timeline that has safekeepers, and what safekeepers tell of themselves.
 *
 *   F1  A timeline has at most one receiver at work, whoever asks for what at the same time: what is asked for one timeline
 *       happens one after the other, and a receiver begins when the one before has ended.
 *   F2  To follow safekeepers that are followed already changes nothing.
 */
import { Lsn } from '@neon/kernel';
import type { Timeline } from '@neon/pageserver-core';
import type { SafekeeperTimelineStatus } from '@neon/safekeeper-contract';
import type { Logger } from '@neon/telemetry';
import type { KnownStatus } from './safekeeper-choice';
import { WalReceiver } from './wal-receiver';

export interface WalFeedsOptions {
  readonly token: string;
  readonly pageserverId: number;
  readonly logger: Logger;
}

interface Feed {
  readonly receiver: WalReceiver;
  readonly safekeepers: Timeline['index']['safekeepers'];
}

export class WalFeeds {
  private readonly feeds = new Map<Timeline, Feed>();
  private readonly turns = new Map<Timeline, Promise<void>>();
  private isStopped = false;
  private readonly statuses = new Map<string, Map<number, KnownStatus>>();

  constructor(private readonly options: WalFeedsOptions) {}

  /** Begins to receive, or goes on from the timeline's safekeepers as they are now. */
  follow(timeline: Timeline): Promise<void> {
    return this.inTurn(timeline, async () => {
      const { safekeepers, timelineId } = timeline.index;
      if (sameAddresses(this.feeds.get(timeline)?.safekeepers ?? [], safekeepers)) return;
      await this.end(timeline);
      if (safekeepers.length === 0 || timeline.stopped !== null || this.isStopped) return;
      const known = (): ReadonlyMap<number, KnownStatus> =>
        this.statuses.get(timelineId) ?? new Map<number, KnownStatus>();
      const receiver = new WalReceiver({ ...this.options, timeline, safekeepers, known });
      this.feeds.set(timeline, { receiver, safekeepers });
    });
  }

  leave(timeline: Timeline): Promise<void> {
    return this.inTurn(timeline, () => this.end(timeline));
  }

  heard(status: SafekeeperTimelineStatus): void {
    const statuses = this.statuses.get(status.timelineId) ?? new Map<number, KnownStatus>();
    this.statuses.set(status.timelineId, statuses);
    statuses.set(status.safekeeperId, { commitLsn: Lsn.parse(status.commitLsn), atMs: Date.now() });
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all([...this.feeds.keys(), ...this.turns.keys()].map((timeline) => this.leave(timeline)));
  }

  /** How far the timeline that is furthest behind lags the most that a safekeeper told to be committed. */
  get lagBytesMax(): number {
    let lagBytesMax = 0;
    for (const { index, lastRecordLsn } of this.feeds.keys())
      for (const { commitLsn } of this.statuses.get(index.timelineId)?.values() ?? [])
        lagBytesMax = Math.max(lagBytesMax, commitLsn - lastRecordLsn);
    return lagBytesMax;
  }

  get connectedCount(): number {
    return [...this.feeds.values()].filter(({ receiver }) => receiver.source !== null).length;
  }

  private async end(timeline: Timeline): Promise<void> {
    await this.feeds.get(timeline)?.receiver.stop();
    this.feeds.delete(timeline);
  }

  /** F1 */
  private inTurn(timeline: Timeline, step: () => Promise<void>): Promise<void> {
    const turn = (this.turns.get(timeline) ?? Promise.resolve()).then(step);
    const settled = turn
      .catch(() => undefined)
      .finally(() => {
        if (this.turns.get(timeline) === settled) this.turns.delete(timeline);
      });
    this.turns.set(timeline, settled);
    return turn;
  }
}

const sameAddresses = (a: Feed['safekeepers'], b: Feed['safekeepers']): boolean =>
  a.length === b.length &&
  a.every(({ id, host, replicationPort }, i) => {
    const other = b[i];
    return id === other?.id && host === other.host && replicationPort === other.replicationPort;
  });
