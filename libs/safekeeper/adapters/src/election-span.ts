/**
 * The span of one proposer's way to leadership here: from its greeting to the first position it is told in its term.
 *
 * It continues the trace that the greeting names, so that a start of a compute shows where its election spent its time.
 */
import { type Span, SpanStatusCode } from '@opentelemetry/api';
import type { AcceptorMessage, GreetingRequest } from '@neon/consensus';
import type { SafekeeperId } from '@neon/kernel';
import { counter, startSpanIn } from '@neon/telemetry';

const votes = counter({
  component: 'safekeeper',
  name: 'neon_safekeeper_votes',
  description: 'Answers to requests for a vote, by whether it was granted',
});

export class ElectionSpan {
  private span: Span | undefined;

  constructor({ traceparent, identity }: GreetingRequest, { safekeeperId }: { readonly safekeeperId: SafekeeperId }) {
    this.span = startSpanIn(traceparent, 'safekeeper election', {
      'neon.safekeeper_id': safekeeperId,
      'neon.tenant_id': identity.tenantId,
      'neon.timeline_id': identity.timelineId,
    });
  }

  answered(message: AcceptorMessage): void {
    const { span } = this;
    if (span === undefined) return;
    if (message.kind === 'voteResponse') {
      span.addEvent('vote', { term: message.term, granted: message.granted });
      votes(1, { granted: message.granted });
    }
    if (message.kind !== 'appendResponse') return;
    span.setAttribute('neon.term', message.term);
    span.end();
    this.span = undefined;
  }

  /** The session is over; one that became leader has no span any more. */
  end(reason: string): void {
    this.span?.setStatus({ code: SpanStatusCode.ERROR, message: reason });
    this.span?.end();
    this.span = undefined;
  }
}
