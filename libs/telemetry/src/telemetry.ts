/**
 * OpenTelemetry, set up once per process, before anything that makes spans or instruments.
 *
 * Traces go to `otlpUrl` (OTLP over HTTP, JSON) when one is given. Without one, spans still have ids, which logs carry. Spans
 * that the collector does not take are dropped in silence: the queue is bounded (2,048 spans). Metrics are for the
 * Prometheus endpoint that `metricsHandler` serves.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { NoopSpanProcessor } from '@opentelemetry/sdk-trace';
import { prometheus } from './metrics';
import { observeProcess } from './process-metrics';

export interface TelemetryOptions {
  /** `service.name`, for instance `pageserver`. */
  readonly service: string;
  /** Base URL of an OTLP collector, for instance `http://127.0.0.1:4318`; without it spans are made and dropped. */
  readonly otlpUrl: string | undefined;
}

export interface Telemetry {
  /** Sends what is buffered, or drops it: never rejects, for a collector that is away must not make a good end a bad one. */
  stop(): Promise<void>;
}

export function startTelemetry({ service, otlpUrl }: TelemetryOptions): Telemetry {
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': service }),
    metricReaders: [prometheus],
    autoDetectResources: false,
    instrumentations: [],
    ...(otlpUrl === undefined
      ? { spanProcessors: [new NoopSpanProcessor()] }
      : { traceExporter: new OTLPTraceExporter({ url: `${otlpUrl}/v1/traces` }) }),
  });
  sdk.start();
  observeProcess();
  return { stop: () => sdk.shutdown().catch(() => undefined) };
}
