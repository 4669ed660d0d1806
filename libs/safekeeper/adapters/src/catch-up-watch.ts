/**
 * Notices timelines here that lag behind what other safekeepers tell to be committed, and brings them up to it (`catchUp`).
 *
 *   CW1  A leader brings WAL by itself: a timeline is helped when it has lagged for LAG_MS without one.
 *   CW2  One helper at a time for a timeline, and CATCH_UPS_MAX in all: starting again after a long absence is no flood.
 */
import { SafekeeperId, Lsn, TenantId, TimelineId } from '@neon/kernel';
import type { SignalBus } from '@neon/messaging';
import { type SafekeeperTimelineStatus, safekeeperAlive, safekeeperTimelineStatus } from '@neon/safekeeper-contract';
import { type Safekeeper, type Timeline, catchUp, isMember, mayLearn } from '@neon/safekeeper-core';
import { type Logger, counter } from '@neon/telemetry';
import { HttpDonor } from './http-donor';

export interface CatchUpWatchOptions {
  readonly bus: Pick<SignalBus, 'onSignal'>;
  readonly safekeeper: Safekeeper;
  /** A service token of scope `storage`. */
  readonly token: string;
  readonly logger: Logger;
}

interface Peer {
  readonly safekeeperId: number;
  readonly commitLsn: Lsn;
}

const LOOK_MS = 1_000;
/** A compute that starts connects and campaigns in less. */
const LAG_MS = 5_000;
const CATCH_UPS_MAX = 4;

const learnedBytes = counter({
  component: 'safekeeper',
  name: 'neon_safekeeper_learned_bytes',
  description: 'WAL taken from other safekeepers because nobody led',
});

export class CatchUpWatch {
  private readonly timer: NodeJS.Timeout;
  private readonly addresses = new Map<number, { readonly host: string; readonly httpPort: number }>();
  /** Who has told of the most. */
  private readonly furthest = new Map<Timeline, Peer>();
  private readonly laggingSinceMs = new Map<Timeline, number>();
  private readonly running = new Set<Timeline>();

  constructor(private readonly options: CatchUpWatchOptions) {
    const { bus } = options;
    bus.onSignal(safekeeperAlive, ({ safekeeperId, host, httpPort }) =>
      this.addresses.set(safekeeperId, { host, httpPort }),
    );
    bus.onSignal(safekeeperTimelineStatus, (status) => this.heard(status));
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private heard({ safekeeperId, ...status }: SafekeeperTimelineStatus): void {
    const { safekeeper } = this.options;
    const key = { tenantId: TenantId.parse(status.tenantId), timelineId: TimelineId.parse(status.timelineId) };
    const timeline = safekeeperId === safekeeper.id ? undefined : safekeeper.find(key);
    const commitLsn = Lsn.parse(status.commitLsn);
    if (timeline === undefined || commitLsn <= (this.furthest.get(timeline)?.commitLsn ?? Lsn.ZERO)) return;
    this.furthest.set(timeline, { safekeeperId, commitLsn });
  }

  /** CW1, CW2. */
  private look(): void {
    const nowMs = performance.now();
    for (const [timeline, peer] of this.furthest) {
      if (timeline.failed !== undefined) {
        this.furthest.delete(timeline);
        this.laggingSinceMs.delete(timeline);
      } else if (!mayLearn(timeline) || timeline.state.commitLsn >= peer.commitLsn)
        this.laggingSinceMs.delete(timeline);
      else {
        const sinceMs = this.laggingSinceMs.get(timeline) ?? nowMs;
        this.laggingSinceMs.set(timeline, sinceMs);
        if (nowMs - sinceMs >= LAG_MS && this.running.size < CATCH_UPS_MAX && !this.running.has(timeline))
          void this.help(timeline, peer);
      }
    }
  }

  private async help(timeline: Timeline, { safekeeperId }: Peer): Promise<void> {
    const address = this.addresses.get(safekeeperId);
    if (address === undefined) return;
    const { identity } = timeline.state;
    const { logger, token } = this.options;
    const log = logger.child({ tenantId: identity.tenantId, timelineId: identity.timelineId, donor: safekeeperId });
    this.running.add(timeline);
    try {
      const donor = new HttpDonor(identity, { safekeeperId: SafekeeperId.of(safekeeperId), ...address }, token);
      const byteCount = await catchUp(timeline, donor);
      learnedBytes(byteCount);
      const { commitLsn, membership } = timeline.state;
      if (isMember(timeline))
        log.info({ byteCount, commitLsn: Lsn.format(commitLsn) }, 'caught up with another safekeeper');
      else
        log.info({ generation: membership.generation }, 'another safekeeper tells that this one is no member any more');
    } catch (error) {
      log.warn({ error: String(error) }, 'could not catch up with another safekeeper');
    } finally {
      this.running.delete(timeline);
      // What it told may have been another disk's, or be trimmed: another one may tell as much.
      this.furthest.delete(timeline);
      this.laggingSinceMs.delete(timeline);
    }
  }
}
