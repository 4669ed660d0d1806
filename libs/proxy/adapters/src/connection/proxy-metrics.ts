/**
 * What a proxy counts. Names are Prometheus' own style; labels have few values (an endpoint id is none of them).
 *
 * Bytes are added up when someone looks, from counters that each open session keeps: the splice itself only adds numbers.
 */
import type { HandshakePhase } from '@neon/proxy-core';
import { meter } from '@neon/telemetry';
import type { SpliceCounts } from './splice';

/** From a TLS handshake on loopback to a slow cold start, in seconds. */
const LATENCY_BOUNDARIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class ProxyMetrics {
  private readonly instruments = meter('proxy');
  private readonly connections = this.instruments.createUpDownCounter('neon_proxy_client_connections', {
    description: 'Client connections, from accept to close',
  });
  private readonly sessions = this.instruments.createUpDownCounter('neon_proxy_sessions', {
    description: 'Sessions open between a client and a compute',
  });
  private readonly phases = this.instruments.createHistogram('neon_proxy_handshake_phase_seconds', {
    description: 'Time in one phase of the handshake',
    advice: { explicitBucketBoundaries: LATENCY_BOUNDARIES },
  });
  private readonly handshakes = this.instruments.createHistogram('neon_proxy_handshake_seconds', {
    description: 'From accept to ReadyForQuery',
    advice: { explicitBucketBoundaries: LATENCY_BOUNDARIES },
  });
  private readonly wakes = this.instruments.createCounter('neon_proxy_wakes_total', {
    description: 'Answers to requests to wake an endpoint',
  });
  private readonly cancels = this.instruments.createCounter('neon_proxy_cancels_total', {
    description: 'Cancel requests by what became of them',
  });
  private readonly errors = this.instruments.createCounter('neon_proxy_errors_total', {
    description: 'Clients refused, by reason',
  });
  private readonly open = new Set<SpliceCounts>();
  private readonly closed: SpliceCounts = { receivedBytes: 0, sentBytes: 0 };

  constructor() {
    this.instruments
      .createObservableCounter('neon_proxy_io_bytes_total', { description: 'Bytes between clients and computes' })
      .addCallback((result) => {
        const { receivedBytes, sentBytes } = this.totalBytes();
        result.observe(receivedBytes, { direction: 'received' });
        result.observe(sentBytes, { direction: 'sent' });
      });
  }

  totalBytes(): SpliceCounts {
    const total = { ...this.closed };
    for (const counts of this.open) addTo(total, counts);
    return total;
  }

  /** @param counts what the session will count into */
  sessionOpened(counts: SpliceCounts): void {
    this.sessions.add(1);
    this.open.add(counts);
  }

  sessionClosed(counts: SpliceCounts): void {
    this.sessions.add(-1);
    if (this.open.delete(counts)) addTo(this.closed, counts);
  }

  connectionOpened = (): void => this.connections.add(1);
  connectionClosed = (): void => this.connections.add(-1);
  countWake = (outcome: 'cold' | 'warm' | 'failed'): void => this.wakes.add(1, { outcome });
  countCancel = (outcome: 'forwarded' | 'unknown' | 'failed'): void => this.cancels.add(1, { outcome });
  countError = (code: string): void => this.errors.add(1, { code });

  observePhase(phase: HandshakePhase, elapsedMs: number): void {
    this.phases.record(elapsedMs / 1000, { phase });
  }

  observeHandshake(elapsedMs: number, isColdStart: boolean): void {
    this.handshakes.record(elapsedMs / 1000, { start: isColdStart ? 'cold' : 'warm' });
  }
}

function addTo(total: SpliceCounts, { receivedBytes, sentBytes }: SpliceCounts): void {
  total.receivedBytes += receivedBytes;
  total.sentBytes += sentBytes;
}
