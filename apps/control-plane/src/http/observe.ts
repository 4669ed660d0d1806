/** A span and a duration for every request to the API, continued from the caller's trace. */
import { SpanKind, context, propagation, trace } from '@opentelemetry/api';
import { requestIdOf } from '@neon/http-api';
import { secondsHistogram } from '@neon/telemetry';
import type { IncomingMessage, ServerResponse } from 'node:http';

const durations = secondsHistogram({
  component: 'control-plane',
  name: 'neon_control_plane_http_seconds',
  description: 'How long requests take, by method and status',
});
const tracer = trace.getTracer('@neon/control-plane');

export function observe(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  const { method = '', url = '' } = request;
  const [path = ''] = url.split('?');
  if (!path.startsWith('/api/')) return next();
  const startedAt = performance.now();
  const parent = propagation.extract(context.active(), request.headers);
  const attributes = { 'http.request.method': method, 'url.path': path, requestId: requestIdOf(request) };
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
  response.once('close', () => {
    span.setAttribute('http.response.status_code', response.statusCode);
    span.end();
    durations.recordSince(startedAt, { method, status: response.statusCode });
  });
  context.with(trace.setSpan(parent, span), next);
}
