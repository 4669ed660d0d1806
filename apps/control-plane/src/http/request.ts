/** What the API keeps about a request while it answers it. */
import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { Origin } from '@neon/event-sourcing';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

const requestIds = new WeakMap<IncomingMessage, string>();
const callers = new WeakMap<IncomingMessage, string>();

/** A request may name itself; the name is shown in logs, so only harmless ones count. */
const OWN_ID = /^[\w-]{1,64}$/;

export function identify(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  const own = request.headers['x-request-id'];
  const id = typeof own === 'string' && OWN_ID.test(own) ? own : randomUUID();
  requestIds.set(request, id);
  response.setHeader('X-Neon-Ret-Request-Id', id);
  next();
}

export const requestIdOf = (request: IncomingMessage): string => requestIds.get(request) ?? '';

export const noteCaller = (request: IncomingMessage, apiKeyId: number): void =>
  void callers.set(request, `api-key/${apiKeyId}`);

/** On whose behalf, for the envelope of events. */
export const By = createParamDecorator((_: unknown, context: ExecutionContext): Origin => {
  const request = context.switchToHttp().getRequest<IncomingMessage>();
  return { actor: callers.get(request) ?? 'unknown', requestId: requestIdOf(request) };
});
