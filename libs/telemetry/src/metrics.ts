/**
 * Instruments, and the Prometheus text of all of them.
 *
 *   T1  A name is `neon_<component>_<noun>_<unit>`: `_seconds`, `_bytes`, or no unit for a count; counters end in `_total`.
 *   T2  A label has few values, known beforehand: never a tenant, a timeline, an endpoint. Gauges over many timelines show
 *       their sum or their worst; which one it is, logs and the management APIs tell.
 */
import { type Attributes, type Meter, metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface InstrumentOptions {
  /** The service that it belongs to. */
  readonly component: string;
  readonly name: string;
  readonly description: string;
}

/** From a write to a local disk to a start that hangs. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Collects without a server of its own: each service serves `/metrics` on its management port. */
export const prometheus = new PrometheusExporter({ preventServerStart: true });

/** Counters, histograms and gauges of one component. Call after `startTelemetry`, or lazily. */
export const meter = (component: string): Meter => metrics.getMeter(component);

/** A histogram of durations. It is made at its first use: by then telemetry has been set up, whenever the module was loaded. */
export function secondsHistogram({ component, name, description }: InstrumentOptions) {
  const make = () =>
    meter(component).createHistogram(name, { description, advice: { explicitBucketBoundaries: SECONDS } });
  let made: ReturnType<typeof make> | undefined;
  return {
    record: (seconds: number, attributes?: Attributes): void => (made ??= make()).record(seconds, attributes),
    recordSince: (startedMs: number, attributes?: Attributes): void =>
      (made ??= make()).record((performance.now() - startedMs) / 1000, attributes),
  };
}

/** A counter, made at its first use as well. */
export function counter({ component, name, description }: InstrumentOptions) {
  const make = () => meter(component).createCounter(name, { description });
  let made: ReturnType<typeof make> | undefined;
  return (count: number, attributes?: Attributes): void => (made ??= make()).add(count, attributes);
}

/** A gauge that is read when somebody asks for the metrics. Call after `startTelemetry`. */
export const gauge = ({ component, name, description }: InstrumentOptions, read: () => number): void =>
  meter(component)
    .createObservableGauge(name, { description })
    .addCallback((result) => result.observe(read()));

/** Likewise for a sum that only grows, kept elsewhere. */
export const observedCounter = ({ component, name, description }: InstrumentOptions, read: () => number): void =>
  meter(component)
    .createObservableCounter(name, { description })
    .addCallback((result) => result.observe(read()));

/** Answers a GET /metrics request. */
export function metricsHandler(request: IncomingMessage, response: ServerResponse): void {
  prometheus.getMetricsRequestHandler(request, response);
}
