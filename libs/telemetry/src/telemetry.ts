/**
 * OpenTelemetry, set up once per process, before anything that makes spans or instruments.
 *
 * Traces go to `otlpUrl` (OTLP over HTTP) when one is given; without one they still have ids, which logs carry; metrics are always kept for the Prometheus endpoint that
 * `metricsHandler` serves, and go to `otlpUrl` as well.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { NoopSpanProcessor } from '@opentelemetry/sdk-trace';
import { prometheus } from './metrics';

export interface TelemetryOptions {
  /** `service.name`, for instance `pageserver`. */
  readonly service: string;
  /** Base URL of an OTLP collector, for instance `http://127.0.0.1:4318`; without it spans are made and dropped. */
  readonly otlpUrl: string | undefined;
}

export interface Telemetry {
  /** Sends what is buffered. */
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
  return { stop: () => sdk.shutdown() };
}
