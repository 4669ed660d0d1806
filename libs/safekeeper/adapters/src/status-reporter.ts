/**
 * Tells the others, over NATS, where this safekeeper is and how far its timelines are. All of it is lossy: the next
 * message replaces the one before.
 *
 *   SR1  A timeline that changed is told at most every 200 ms, any other every 5 s.
 *   SR2  What another safekeeper has heard from a timeline's pageserver is taken on: a pageserver reports to the one it reads from.
 *   SR3  What another one says of the archive is heard too: it decides who puts WAL there.
 */
import type { SignalBus } from '@neon/messaging';
import {
  type SafekeeperAlive,
  type SafekeeperTimelineStatus,
  safekeeperAlive,
  safekeeperTimelineStatus,
} from '@neon/safekeeper-contract';
import { Lsn, SafekeeperId, TenantId, TimelineId } from '@neon/kernel';
import { type Safekeeper, type Timeline, timelineStatus } from '@neon/safekeeper-core';

const CHANGED_MS = 200;
const UNCHANGED_MS = 5_000;
const ALIVE_MS = 2_000;

export class StatusReporter {
  private readonly changed = new Set<Timeline>();
  private readonly timers: NodeJS.Timeout[];

  constructor(
    private readonly bus: SignalBus,
    private readonly safekeeper: Safekeeper,
    private readonly address: Omit<SafekeeperAlive, 'safekeeperId' | 'incarnation'>,
  ) {
    this.alive();
    bus.onSignal(safekeeperTimelineStatus, (status) => this.heard(status));
    this.timers = [
      setInterval(() => this.tellChanged(), CHANGED_MS),
      setInterval(() => this.tell(this.safekeeper.timelines), UNCHANGED_MS),
      setInterval(() => this.alive(), ALIVE_MS),
    ];
  }

  watch(timeline: Timeline): void {
    this.changed.add(timeline);
    timeline.onProgress(() => this.changed.add(timeline));
  }

  /** SR2. */
  private heard({ remoteConsistentLsn, archivedLsn, archiving, ...status }: SafekeeperTimelineStatus): void {
    const safekeeperId = SafekeeperId.of(status.safekeeperId);
    if (safekeeperId === this.safekeeper.id) return;
    const key = { tenantId: TenantId.parse(status.tenantId), timelineId: TimelineId.parse(status.timelineId) };
    const timeline = this.safekeeper.find(key);
    if (remoteConsistentLsn !== undefined) timeline?.trimmer.remoteConsistent(Lsn.parse(remoteConsistentLsn));
    if (archivedLsn === undefined) return;
    timeline?.archive?.heard({
      safekeeperId,
      commitLsn: Lsn.parse(status.commitLsn),
      archivedLsn: Lsn.parse(archivedLsn),
      isArchiving: archiving === true,
    });
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private tellChanged(): void {
    const timelines = [...this.changed];
    this.changed.clear();
    this.tell(timelines);
  }

  private tell(timelines: readonly Timeline[]): void {
    const { host, replicationPort } = this.address;
    for (const timeline of timelines)
      if (timeline.failed === undefined)
        this.bus.signal(safekeeperTimelineStatus, timelineStatus(timeline, { host, replicationPort }));
  }

  private alive(): void {
    const { id, incarnation } = this.safekeeper.identity;
    this.bus.signal(safekeeperAlive, { safekeeperId: id, incarnation, ...this.address });
  }
}
