/** Instruments, and the Prometheus text of all of them. */
import { type Meter, metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Collects without a server of its own: each service serves `/metrics` on its management port. */
export const prometheus = new PrometheusExporter({ preventServerStart: true });

/** Counters, histograms and gauges of one component. Call after `startTelemetry`, or lazily. */
export const meter = (component: string): Meter => metrics.getMeter(component);

/** Answers a GET /metrics request. */
export function metricsHandler(request: IncomingMessage, response: ServerResponse): void {
  prometheus.getMetricsRequestHandler(request, response);
}
