import { Lsn } from '@neon/kernel';
import type { Timeline } from '@neon/pageserver-core';
import { createLogger } from '@neon/telemetry';
import { WalFeeds } from './wal-feeds';

const SAFEKEEPER = { id: 1, host: '127.0.0.1', replicationPort: 1 };

/** A timeline that waits for its ancestor, and counts the receivers that have it wait. */
function waitingTimeline() {
  const seen = { active: 0, most: 0, begun: 0 };
  const index = { tenantId: 't', timelineId: 'tl', safekeepers: [SAFEKEEPER] };
  const waitForAncestor = (signal: AbortSignal): Promise<void> => {
    seen.begun++;
    seen.most = Math.max(seen.most, ++seen.active);
    return new Promise((_resolve, reject) => {
      // Nothing ends at once: the one after must wait for this.
      const end = (): void => void setImmediate(() => (seen.active--, reject(new Error('left'))));
      signal.addEventListener('abort', end, { once: true });
    });
  };
  const timeline = { index, stopped: null, lastRecordLsn: Lsn.of(0), waitForAncestor } as unknown as Timeline;
  return { seen, index, timeline };
}

const feedsOf = () => new WalFeeds({ token: '', pageserverId: 1, logger: createLogger('spec', 'silent') });

it('F1: a timeline has one receiver, however many ask at once', async () => {
  const { seen, index, timeline } = waitingTimeline();
  const feeds = feedsOf();
  await feeds.follow(timeline);
  index.safekeepers = [{ ...SAFEKEEPER, replicationPort: 2 }];
  const first = feeds.follow(timeline);
  index.safekeepers = [{ ...SAFEKEEPER, replicationPort: 3 }];
  await Promise.all([first, feeds.follow(timeline), feeds.follow(timeline)]);
  expect(seen).toMatchObject({ active: 1, most: 1 });
  const leaving = feeds.leave(timeline);
  await Promise.all([feeds.follow(timeline), leaving, feeds.leave(timeline)]);
  expect(seen).toMatchObject({ active: 0, most: 1 });
});

it('F2: an unchanged list of safekeepers restarts nothing', async () => {
  const { seen, timeline } = waitingTimeline();
  const feeds = feedsOf();
  await feeds.follow(timeline);
  await feeds.follow(timeline);
  expect(seen).toEqual({ active: 1, most: 1, begun: 1 });
  await feeds.stop();
});

it('F1: nothing begins after the stop, though it was asked for before', async () => {
  const { seen, index, timeline } = waitingTimeline();
  const feeds = feedsOf();
  await feeds.follow(timeline);
  index.safekeepers = [{ ...SAFEKEEPER, id: 2 }];
  const following = feeds.follow(timeline);
  await feeds.stop();
  await following;
  await feeds.follow(timeline);
  expect(seen.active).toBe(0);
});
