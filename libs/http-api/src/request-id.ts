/** The name of a request: in its answer, and in what is logged of it. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

const requestIds = new WeakMap<IncomingMessage, string>();

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
