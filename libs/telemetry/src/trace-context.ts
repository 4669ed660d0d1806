/**
 * Trace context where OpenTelemetry does not carry it by itself: over our framed protocols, and away from work that
 * outlives the request that began it.
 */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  context,
  isSpanContextValid,
  propagation,
  trace,
} from '@opentelemetry/api';

/** The active span as a W3C `traceparent`; undefined outside of any. */
export function activeTraceparent(): string | undefined {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent;
}

/**
 * Runs `run` outside of any trace. Sockets, timers and loops that are made in it, and what they log, belong to no request.
 */
export const detached = <T>(run: () => T): T => context.with(ROOT_CONTEXT, run);

/** A span that the caller ends, in the trace of `traceparent`; without one, or with nonsense, in a trace of its own. */
export const startSpanIn = (traceparent: string | undefined, name: string, attributes: Attributes): Span =>
  trace.getTracer('@neon').startSpan(name, { attributes }, contextOf(traceparent));

/**
 * Records that something took `elapsedMs` until now. It is a trace of its own that links to `traceparent`: so a
 * connection that lives for days does not grow the trace of the request that opened it.
 */
export function recordSpan(
  { name, elapsedMs, traceparent }: { name: string; elapsedMs: number; traceparent: string | undefined },
  attributes: Attributes,
): void {
  const opener = trace.getSpanContext(contextOf(traceparent));
  const links = opener !== undefined && isSpanContextValid(opener) ? [{ context: opener }] : [];
  const startTime = Date.now() - elapsedMs;
  trace.getTracer('@neon').startSpan(name, { attributes, links, startTime, root: true }).end();
}

const contextOf = (traceparent: string | undefined): Context =>
  traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
