/** Gauges of a pageserver, read when somebody asks for the metrics. */
import type { BlockCache, Pageserver } from '@neon/pageserver-core';
import { meter } from '@neon/telemetry';
import type { PageServer } from './page/page-server';
import { nameOf } from './wal/wal-receiver';
import type { WalFeeds } from './wal/wal-feeds';

export interface Observed {
  readonly pageserver: Pageserver;
  readonly cache: BlockCache;
  readonly pages: PageServer;
  readonly feeds: WalFeeds;
}

export function observe({ pageserver, cache, pages, feeds }: Observed): void {
  const instruments = meter('pageserver');
  const gauge = (name: string, description: string, read: () => number): void =>
    instruments.createObservableGauge(name, { description }).addCallback((result) => result.observe(read()));
  gauge('pageserver_timelines', 'Timelines held', () => pageserver.all().length);
  gauge('pageserver_page_connections', 'Connections to the page service', () => pages.connectionCount);
  gauge('pageserver_wal_receivers_connected', 'Timelines that receive WAL', () => feeds.connectedCount);
  gauge('pageserver_block_cache_hits', 'Blocks found in the cache', () => cache.counts.hits);
  gauge('pageserver_block_cache_misses', 'Blocks not found in the cache', () => cache.counts.misses);
  gauge('pageserver_layer_bytes_read', 'Bytes read from layer files', () => cache.counts.bytesRead);
  const perTimeline = (
    name: string,
    description: string,
    read: (timeline: ReturnType<Pageserver['all']>[number]) => number,
  ): void =>
    instruments.createObservableGauge(name, { description }).addCallback((result) => {
      for (const timeline of pageserver.all()) result.observe(read(timeline), nameOf(timeline));
    });
  perTimeline('pageserver_last_record_lsn', 'End of the last ingested record', ({ lastRecordLsn }) => lastRecordLsn);
  perTimeline(
    'pageserver_disk_consistent_lsn',
    'Everything below is in layers',
    ({ diskConsistentLsn }) => diskConsistentLsn,
  );
  perTimeline(
    'pageserver_memory_layer_bytes',
    'Bytes not yet in layer files',
    ({ memorySizeBytes }) => memorySizeBytes,
  );
  perTimeline('pageserver_logical_size_bytes', 'Sum of relation sizes', ({ logicalSizeBytes }) => logicalSizeBytes);
  perTimeline('pageserver_layers', 'Layer files', ({ index }) => index.layers.length);
  perTimeline('pageserver_lsn_waiters', 'Requests that wait for WAL', ({ waiterCount }) => waiterCount);
  perTimeline('pageserver_ingest_stopped', '1 when ingest stopped on a record', ({ stopped }) =>
    stopped === null ? 0 : 1,
  );
}
