import { context, trace } from '@opentelemetry/api';
import { activeTraceparent, detached, startSpanIn } from './trace-context';
import { type Telemetry, startTelemetry } from './telemetry';
import { withSpan } from './span';

let telemetry: Telemetry;
beforeAll(() => {
  telemetry = startTelemetry({ service: 'spec', otlpUrl: undefined });
});
afterAll(() => telemetry.stop());

const traceIdOf = (traceparent: string | undefined): string | undefined => traceparent?.split('-')[1];

it('a span started from the text of another belongs to its trace', () =>
  withSpan('asks', {}, (span) => {
    const remote = startSpanIn(activeTraceparent(), 'answers', {});
    expect(remote.spanContext().traceId).toBe(span.spanContext().traceId);
    return Promise.resolve();
  }));

it.each([undefined, '', 'nonsense', '00-0-0-00'])('a span started from %p has a trace of its own', (traceparent) =>
  withSpan('unrelated', {}, (span) => {
    const remote = startSpanIn(traceparent, 'answers', {}).spanContext();
    expect(remote.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(remote.traceId).not.toBe(span.spanContext().traceId);
    return Promise.resolve();
  }),
);

it('outside of a span there is no text', () => {
  expect(activeTraceparent()).toBeUndefined();
});

it('a timer made in detached belongs to no trace, one made beside it to that of its maker', () =>
  withSpan('request', {}, async (span) => {
    const ofTimer = () =>
      new Promise<string | undefined>((resolve) => setTimeout(() => resolve(activeTraceparent()), 0));
    expect(traceIdOf(await ofTimer())).toBe(span.spanContext().traceId);
    expect(await detached(ofTimer)).toBeUndefined();
    expect(trace.getSpan(context.active())).toBe(span);
  }));
