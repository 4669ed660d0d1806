/**
 * Structured logs: one JSON object a line on standard output, with the trace they belong to.
 *
 * ERROR asks a person to look; WARN says something went wrong and work went on regardless. Values under the names in
 * REDACTED never reach the log.
 */
import { isSpanContextValid, trace } from '@opentelemetry/api';
import { type Logger, pino } from 'pino';

export type { Logger };

const REDACTED = ['password', 'token', 'verifier', 'authorization', 'apiKey', 'connectionUri'];

export function createLogger(service: string, level = 'info'): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext();
      return span === undefined || !isSpanContextValid(span) ? {} : { traceId: span.traceId, spanId: span.spanId };
    },
  });
}
