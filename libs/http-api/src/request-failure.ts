/**
 * What an error means to whoever sent the request that ended in it.
 *
 *   HF1  Only what was thrown while the request was parsed (`wellFormed`), or by what serves HTTP, is the sender's mistake. The
 *        same kind of error from anywhere else is ours: stored bytes that do not parse are no malformed request.
 *   HF2  What nobody foresaw, and what is corrupt, is logged here, once, with the name of the request.
 *   HF3  What nobody foresaw says nothing of its inside.
 *   HF4  A refusal and an unavailability are told with their own words.
 *
 * @example wellFormed(() => Lsn.parse(text)) // throws MalformedRequest where `Lsn.parse` throws SyntaxError
 */
import type { IncomingMessage } from 'node:http';
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import type { Logger } from '@neon/telemetry';
import { z } from 'zod';
import { requestIdOf } from './request-id';

export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest';
}

/** HF1. `parse` sees nothing but the request: schemas refuse with ZodError, the kernel's brands with the other two. */
export function wellFormed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof z.ZodError) throw new MalformedRequest(z.prettifyError(cause), { cause });
    if (cause instanceof SyntaxError || cause instanceof RangeError)
      throw new MalformedRequest(cause.message, { cause });
    throw cause;
  }
}

export type RequestFailure =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** `status` is 4xx. */
  | { readonly kind: 'malformed'; readonly status: number; readonly message: string; readonly cause: unknown }
  | { readonly kind: 'unavailable'; readonly message: string }
  | { readonly kind: 'corrupt'; readonly message: string }
  | { readonly kind: 'unexpected' };

/** HF1–HF4. */
export function failureOf(error: unknown, request: IncomingMessage, logger: Logger): RequestFailure {
  const failure = classified(error);
  if (failure.kind === 'unexpected' || failure.kind === 'corrupt')
    logger.error({ err: error, requestId: requestIdOf(request) }, 'a request failed');
  return failure;
}

function classified(error: unknown): RequestFailure {
  if (error instanceof Refusal) return { kind: 'refused', code: error.code, message: error.message };
  if (error instanceof MalformedRequest)
    return { kind: 'malformed', status: 400, message: error.message, cause: error.cause };
  if (error instanceof Unavailable) return { kind: 'unavailable', message: error.message };
  if (error instanceof Corrupt) return { kind: 'corrupt', message: error.message };
  const status = httpStatusOf(error);
  if (error instanceof Error && status !== undefined && status >= 400 && status < 500)
    return { kind: 'malformed', status, message: error.message, cause: error };
  return { kind: 'unexpected' };
}

/** Of what serves HTTP: no such path, a body that is no JSON, too large, or cut off. */
const httpStatusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'getStatus' in error && typeof error.getStatus === 'function'
    ? Number(error.getStatus())
    : undefined;
