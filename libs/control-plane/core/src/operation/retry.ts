/**
 * What to do after an attempt failed.
 *
 *   R1  `Unavailable`, and refusals that time may cure, are tried again: after 100 ms, then twice as long each time up to 5 s.
 *   R2  Nobody waits for ever: a start, which a client is waiting for, gives up after about 6 s of pauses, anything else after
 *       about a minute and a half. Only a deletion goes on: nobody waits for it, and nobody would ask for it again.
 *   R3  Everything else is final at once, for trying again would only repeat it.
 *   R4  Unless nobody could ask again: what is left of a project that is being deleted is tried once a minute, whatever the
 *       reason, for its data would remain where nobody sees it.
 */
import { Refusal, Unavailable } from '@neon/kernel';
import type { OperationAction, OperationError } from './operation';

export type Verdict =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly error: OperationError }
  /** R4: the cause does not pass by itself; a person must be told. */
  | { readonly kind: 'insist'; readonly delayMs: number; readonly error: OperationError }
  | { readonly kind: 'fail'; readonly error: OperationError };

const FIRST_DELAY_MS = 100;
const DELAY_MS_MAX = 5_000;
/** Until a person has seen the error and removed its cause. */
const REFUSED_DELAY_MS = 60_000;
const ATTEMPTS_MAX = { start_compute: 7, delete_timeline: Infinity, other: 24 };
/** Of these the cause is elsewhere and may pass: a safekeeper restarts, another compute won the election, ingest catches up. */
const PASSING = new Set(['QuorumUnavailable', 'PageserverUnavailable', 'ComputeFenced', 'LsnNotReached']);

/** `failuresCount`: failures before this one. */
export function afterFailure(
  error: unknown,
  { action, failuresCount }: { readonly action: OperationAction; readonly failuresCount: number },
  { canBeAskedAgain }: { readonly canBeAskedAgain: boolean },
): Verdict {
  const shown = errorOf(error);
  const passing = error instanceof Unavailable || (error instanceof Refusal && PASSING.has(error.code));
  const attemptsMax =
    action === 'start_compute' || action === 'delete_timeline' ? ATTEMPTS_MAX[action] : ATTEMPTS_MAX.other;
  if (!passing || failuresCount + 1 >= attemptsMax)
    return canBeAskedAgain
      ? { kind: 'fail', error: shown }
      : { kind: 'insist', delayMs: REFUSED_DELAY_MS, error: shown };
  return { kind: 'retry', delayMs: Math.min(FIRST_DELAY_MS * 2 ** failuresCount, DELAY_MS_MAX), error: shown };
}

function errorOf(error: unknown): OperationError {
  if (error instanceof Refusal) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: error instanceof Unavailable ? 'Unavailable' : 'Internal', message };
}
