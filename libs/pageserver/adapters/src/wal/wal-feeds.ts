/**
 * One WAL receiver for each timeline that has safekeepers, and what safekeepers tell of themselves.
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

export class WalFeeds {
  private readonly receivers = new Map<Timeline, WalReceiver>();
  private readonly statuses = new Map<string, Map<number, KnownStatus>>();

  constructor(private readonly options: WalFeedsOptions) {}

  /** Begins to receive, or goes on from the timeline's safekeepers as they are now. */
  async follow(timeline: Timeline): Promise<void> {
    await this.leave(timeline);
    const { safekeepers, timelineId } = timeline.index;
    if (safekeepers.length === 0 || timeline.stopped !== null) return;
    const known = (): ReadonlyMap<number, KnownStatus> =>
      this.statuses.get(timelineId) ?? new Map<number, KnownStatus>();
    this.receivers.set(timeline, new WalReceiver({ ...this.options, timeline, safekeepers, known }));
  }

  async leave(timeline: Timeline): Promise<void> {
    const receiver = this.receivers.get(timeline);
    this.receivers.delete(timeline);
    await receiver?.stop();
  }

  heard(status: SafekeeperTimelineStatus): void {
    const statuses = this.statuses.get(status.timelineId) ?? new Map<number, KnownStatus>();
    this.statuses.set(status.timelineId, statuses);
    statuses.set(status.safekeeperId, { commitLsn: Lsn.parse(status.commitLsn), atMs: Date.now() });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.receivers.values()].map((receiver) => receiver.stop()));
    this.receivers.clear();
  }

  get connectedCount(): number {
    return [...this.receivers.values()].filter(({ source }) => source !== null).length;
  }
}
