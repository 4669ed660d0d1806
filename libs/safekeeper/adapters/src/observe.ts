/** Gauges of a safekeeper, read when the metrics are. */
import { AcceptorState } from '@neon/consensus';
import type { Safekeeper } from '@neon/safekeeper-core';
import { meter } from '@neon/telemetry';
import type { TcpListener } from './tcp-listener';

export function observe(
  safekeeper: Safekeeper,
  listeners: { readonly proposers: TcpListener; readonly replication: TcpListener },
): void {
  const instruments = meter('safekeeper');
  const timelines = instruments.createObservableGauge('safekeeper_timelines', { description: 'Timelines open here' });
  const connections = instruments.createObservableGauge('safekeeper_connections', { description: 'Open connections' });
  const flush = instruments.createObservableGauge('safekeeper_flush_lsn', { description: 'WAL durable here' });
  const commit = instruments.createObservableGauge('safekeeper_commit_lsn', { description: 'WAL durable on a quorum' });
  const term = instruments.createObservableGauge('safekeeper_term', { description: 'Term of the acceptor' });
  const logTerm = instruments.createObservableGauge('safekeeper_last_log_term', {
    description: 'Term of the last record',
  });
  timelines.addCallback((result) => result.observe(safekeeper.timelines.length));
  connections.addCallback((result) => {
    result.observe(listeners.proposers.connectionCount, { port: 'proposer' });
    result.observe(listeners.replication.connectionCount, { port: 'replication' });
  });
  instruments.addBatchObservableCallback(
    (result) => {
      for (const { state } of safekeeper.timelines) {
        const { tenantId, timelineId } = state.identity;
        const labels = { tenant_id: tenantId, timeline_id: timelineId };
        result.observe(flush, state.flushLsn, labels);
        result.observe(commit, state.commitLsn, labels);
        result.observe(term, state.term, labels);
        result.observe(logTerm, AcceptorState.lastLogTerm(state), labels);
      }
    },
    [flush, commit, term, logTerm],
  );
}

/** Each one is a timeline that lacks a member until somebody gives it another: worth an alarm. */
export function countRefusedIncarnation(): void {
  const description = 'Timelines asked for that a lost disk has taken with it';
  meter('safekeeper').createCounter('safekeeper_incarnation_refusals', { description }).add(1);
}
