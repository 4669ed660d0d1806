/** Gauges of a pageserver, read when somebody asks for the metrics. Over timelines they show the sum, or the worst. */
import type { BlockCache, Pageserver, Timeline } from '@neon/pageserver-core';
import { gauge, observedCounter } from '@neon/telemetry';
import type { PageServer } from './page/page-server';
import type { WalFeeds } from './wal/wal-feeds';

export interface Observed {
  readonly pageserver: Pageserver;
  readonly cache: BlockCache;
  readonly pages: PageServer;
  readonly feeds: WalFeeds;
}

const named = (name: string, description: string) => ({
  component: 'pageserver',
  name: `neon_pageserver_${name}`,
  description,
});

export function observe({ pageserver, cache, pages, feeds }: Observed): void {
  gauge(named('timelines', 'Timelines held'), () => pageserver.all().length);
  gauge(
    named('timelines_damaged', 'Timelines that were not opened because their files are damaged'),
    () => pageserver.damagedTimelines.length,
  );
  gauge(named('page_connections', 'Connections to the page service'), () => pages.connectionCount);
  gauge(named('wal_receivers_connected', 'Timelines that receive WAL'), () => feeds.connectedCount);
  gauge(
    named('ingest_lag_bytes', 'WAL that safekeepers have committed and that is not ingested: the worst timeline'),
    () => feeds.lagBytesMax,
  );
  observedCounter(named('block_cache_hits_total', 'Blocks found in the cache'), () => cache.counts.hits);
  observedCounter(named('block_cache_misses_total', 'Blocks not found in the cache'), () => cache.counts.misses);
  observedCounter(named('layer_read_bytes_total', 'Bytes read from layer files'), () => cache.counts.bytesRead);
  observeTimelines(pageserver);
}

function observeTimelines(pageserver: Pageserver): void {
  const sum = (read: (timeline: Timeline) => number) => () =>
    pageserver.all().reduce((total, timeline) => total + read(timeline), 0);
  const worst = (read: (timeline: Timeline) => number) => () =>
    pageserver.all().reduce((most, timeline) => Math.max(most, read(timeline)), 0);
  gauge(
    named('unflushed_wal_bytes', 'WAL that is ingested and in no layer file: the worst timeline'),
    worst(({ lastRecordLsn, diskConsistentLsn }) => lastRecordLsn - diskConsistentLsn),
  );
  gauge(
    named('memory_layer_bytes', 'Memory of what is in no layer file'),
    sum(({ memorySizeBytes }) => memorySizeBytes),
  );
  gauge(
    named('logical_size_bytes', 'Sizes of all relations'),
    sum(({ logicalSizeBytes }) => logicalSizeBytes),
  );
  gauge(
    named('layers', 'Layer files'),
    sum(({ index }) => index.layers.length),
  );
  gauge(
    named('layer_bytes', 'Sizes of all layer files'),
    sum(({ index }) => index.layers.reduce((total, { sizeBytes }) => total + sizeBytes, 0)),
  );
  gauge(
    named('lsn_waiters', 'Requests that wait for WAL'),
    sum(({ waiterCount }) => waiterCount),
  );
  gauge(
    named('timelines_stopped', 'Timelines that stopped on a record or on a page'),
    sum(({ stopped }) => (stopped === null ? 0 : 1)),
  );
}
