/** What the API keeps about a request while it answers it. */
import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { Origin } from '@neon/event-sourcing';
import { requestIdOf } from '@neon/http-api';
import type { IncomingMessage } from 'node:http';

const callers = new WeakMap<IncomingMessage, string>();

export const noteCaller = (request: IncomingMessage, apiKeyId: number): void =>
  void callers.set(request, `api-key/${apiKeyId}`);

/** On whose behalf, for the envelope of events. */
export const By = createParamDecorator((_: unknown, context: ExecutionContext): Origin => {
  const request = context.switchToHttp().getRequest<IncomingMessage>();
  return { actor: callers.get(request) ?? 'unknown', requestId: requestIdOf(request) };
});
