/** Gauges of a compute host, read when somebody asks for the metrics. */
import { gauge, meter } from '@neon/telemetry';
import type { ComputeHost } from './compute-host';

const named = (name: string, description: string) => ({
  component: 'compute',
  name: `neon_compute_${name}`,
  description,
});

export function observe(host: ComputeHost): void {
  meter('compute')
    .createObservableGauge('neon_compute_computes', { description: 'Computes on this host, by status' })
    .addCallback((result) => {
      const counts: Record<string, number> = { starting: 0, running: 0, stopping: 0 };
      for (const { status } of host.states()) counts[status] = (counts[status] ?? 0) + 1;
      for (const [status, count] of Object.entries(counts)) result.observe(count, { status });
    });
  gauge(named('sessions', 'Sessions of clients, as of the last look at pg_stat_activity'), () =>
    host.states().reduce((total, { sessions }) => total + sessions, 0),
  );
  gauge(
    named('wal_uncommitted_bytes', 'WAL that Postgres wrote and no quorum of safekeepers has: the worst compute'),
    () => host.uncommittedBytesMax,
  );
  gauge(
    named('pageserver_lag_bytes', 'WAL that Postgres wrote and its pageserver has not ingested: the worst compute'),
    () => Math.max(0, ...host.paces.map(({ lagBytes }) => lagBytes)),
  );
  gauge(named('wal_pressure_ratio', 'How near what takes WAL is to its bound, 1 at the bound: the worst compute'), () =>
    Math.max(0, ...host.paces.map(({ pressureRatio }) => pressureRatio)),
  );
  gauge(
    named('wal_slowed_computes', 'Computes whose writing of WAL is being slowed down'),
    () => host.paces.filter(({ isDelaying }) => isDelaying).length,
  );
}
