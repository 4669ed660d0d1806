/** One span and one set of timings for each handshake: how long a client waited, and for what. */
import { performance } from 'node:perf_hooks';
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { type HandshakePhase, type Session, phaseOf } from '@neon/proxy-core';
import type { ProxyMetrics } from './proxy-metrics';

export class HandshakeTrace {
  private readonly span: Span;
  private readonly startedAt = performance.now();
  private phase: HandshakePhase | null = 'tls';
  private phaseStartedAt = this.startedAt;
  private isEnded = false;
  private known: { endpointId?: string; computeId?: string } = {};

  constructor(
    private readonly metrics: ProxyMetrics,
    clientAddress: string,
  ) {
    const attributes = { 'client.address': clientAddress };
    this.span = trace.getTracer('@neon/proxy').startSpan('proxy handshake', { kind: SpanKind.SERVER, attributes });
  }

  /** Endpoint and compute, as far as they are known. */
  get names(): { endpointId?: string; computeId?: string } {
    return this.known;
  }

  elapsedMs = (): number => Math.round((performance.now() - this.startedAt) * 10) / 10;

  /** Runs a question inside the span, so that its trace goes on in whoever answers. */
  within<T>(question: () => Promise<T>): Promise<T> {
    return context.with(trace.setSpan(ROOT_CONTEXT, this.span), question);
  }

  moveTo(session: Session): void {
    this.learn(session);
    const phase = phaseOf(session.status);
    if (phase === this.phase) return;
    const now = performance.now();
    if (this.phase !== null) this.metrics.observePhase(this.phase, now - this.phaseStartedAt);
    this.phase = phase;
    this.phaseStartedAt = now;
    if (phase !== null) this.span.addEvent(phase);
    if (session.status === 'open') this.metrics.observeHandshake(now - this.startedAt, session.compute.coldStart);
    if (phase === null) this.end();
  }

  private learn(session: Session): void {
    if ('target' in session) this.known = { endpointId: session.target.endpointId };
    if ('compute' in session)
      this.known = { endpointId: session.client.endpointId, computeId: session.compute.computeId };
  }

  fail({ code, message }: { code: string; message: string }): void {
    this.span.setStatus({ code: SpanStatusCode.ERROR, message: `${code}: ${message}` });
    this.end();
  }

  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const { endpointId, computeId } = this.known;
    if (endpointId !== undefined) this.span.setAttribute('neon.endpoint_id', endpointId);
    if (computeId !== undefined) this.span.setAttribute('neon.compute_id', computeId);
    this.span.end();
  }
}
