/** How the management APIs of storage answer an error: `{ code, message }` and its status. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '@neon/telemetry';
import { unreachable } from '@neon/kernel';
import { type RequestFailure, failureOf } from './request-failure';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** @param statusOf refusals by what a caller can do about them; any other is 400 */
export function answerError(
  error: unknown,
  { request, response }: Exchange,
  { logger, statusOf }: { readonly logger: Logger; readonly statusOf: Readonly<Record<string, number>> },
): void {
  const { status, code, message } = answerTo(failureOf(error, request, logger), statusOf);
  // Half an answer must not look like a whole one.
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ code, message }));
}

function answerTo(failure: RequestFailure, statusOf: Readonly<Record<string, number>>): Answer {
  switch (failure.kind) {
    case 'refused':
      return { status: statusOf[failure.code] ?? 400, code: failure.code, message: failure.message };
    case 'malformed':
      return { ...failure, code: failure.status === 404 ? 'NotFound' : 'MalformedRequest' };
    case 'unavailable':
      return { status: 503, code: 'StorageUnavailable', message: failure.message };
    case 'corrupt':
      return { status: 500, code: 'Corrupt', message: failure.message };
    case 'unexpected':
      return { status: 500, code: 'Internal', message: 'internal error: quote the request id when you report it' };
    default:
      return unreachable(failure);
  }
}
