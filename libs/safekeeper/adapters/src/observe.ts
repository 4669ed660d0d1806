/** Gauges of a safekeeper, read when the metrics are. Over timelines they show the sum, or the worst. */
import { type AcceptorState, FULL } from '@neon/consensus';
import type { Safekeeper } from '@neon/safekeeper-core';
import { counter, gauge, meter } from '@neon/telemetry';
import type { DiskWatch } from './disk-watch';
import type { TcpListener } from './tcp-listener';

const named = (name: string, description: string) => ({
  component: 'safekeeper',
  name: `neon_safekeeper_${name}`,
  description,
});

/** Each one is a timeline that lacks a member until somebody gives it another: worth an alarm. */
export const countRefusedIncarnation = counter(
  named('incarnation_refusals_total', 'Timelines asked for that a lost disk has taken with it'),
);

export const countRemoved = counter(
  named('timelines_removed_total', 'Timelines removed here because this safekeeper is no member of them any more'),
);

export function observe(
  safekeeper: Safekeeper,
  parts: { readonly proposers: TcpListener; readonly replication: TcpListener; readonly disk: DiskWatch },
): void {
  const worst = (read: (state: AcceptorState) => number) => () =>
    safekeeper.timelines.reduce((most, { state }) => Math.max(most, read(state)), 0);
  gauge(named('timelines', 'Timelines open here'), () => safekeeper.timelines.length);
  gauge(named('timelines_failed', 'Timelines that acknowledge nothing'), () => safekeeper.failed.length);
  gauge(named('wal_kept_bytes', 'WAL kept here, of all timelines'), () => safekeeper.space.keptBytes);
  gauge(
    named('fullness_ratio', 'How full it is of WAL, 0 to 1: the worst timeline'),
    () => Math.max(safekeeper.space.fullness, ...safekeeper.timelines.map(({ fullness }) => fullness)) / FULL,
  );
  gauge(named('disk_free_bytes', 'Room on the disk of the data directory'), () => parts.disk.room.freeBytes);
  gauge(
    named('timelines_led', 'Timelines with a connected leader'),
    () => safekeeper.timelines.filter(({ isWriterConnected }) => isWriterConnected).length,
  );
  gauge(
    named('commit_lag_bytes', 'WAL that is durable here and not known to be committed: the worst timeline'),
    worst(({ flushLsn, commitLsn }) => flushLsn - commitLsn),
  );
  gauge(
    named('flush_lag_bytes', 'WAL that is committed and not durable here: the worst timeline'),
    worst(({ heardCommitLsn, flushLsn }) => heardCommitLsn - flushLsn),
  );
  meter('safekeeper')
    .createObservableGauge('neon_safekeeper_connections', { description: 'Open connections, by port' })
    .addCallback((result) => {
      result.observe(parts.proposers.connectionCount, { port: 'proposer' });
      result.observe(parts.replication.connectionCount, { port: 'replication' });
    });
}
