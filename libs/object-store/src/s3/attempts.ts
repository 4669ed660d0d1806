/**
 * Requests that are repeated: the only place where that is decided. The SDK makes one attempt.
 *
 *   R1  An attempt is repeated when its failure is transient, `attemptCountMax` times in all, after a random pause that grows.
 *   R2  An attempt ends at its deadline, whatever the server does; `extend` moves it when there is progress.
 *   R3  An abort of the caller ends attempt and pause at once, with the caller's reason.
 *   R4  An attempt that failed keeps no connection: its answer may have come before the server had read the request, and may never let go of it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { S3Patience } from './s3-config';
import { type Failure, UselessAnswer, failureOf } from './s3-failure';

/** One attempt, as what it runs sees it. */
export interface Attempt {
  /** From 1 on. */
  readonly number: number;
  readonly signal: AbortSignal;
  /** Sets the deadline to so long from now. */
  extend(timeoutMs: number): void;
}

/** A request that failed for good. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed';
  constructor(
    readonly failure: Failure,
    /** How many there were. */
    readonly attemptCount: number,
    cause: unknown,
  ) {
    super(failure.text, { cause });
  }
}

export interface Request {
  readonly patience: S3Patience;
  readonly signal: AbortSignal | undefined;
  /** The first deadline of every attempt. */
  readonly timeoutMs: number;
  onRetry(): void;
}

/** @throws RequestFailed; the reason of the signal */
export async function attempting<T>(request: Request, run: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { patience, signal } = request;
  for (let number = 1; ; number++) {
    signal?.throwIfAborted();
    try {
      return await attemptOnce(request, number, run);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = failureOf(error);
      if (failure.kind !== 'transient' || number >= patience.attemptCountMax)
        throw new RequestFailed(failure, number, error);
    }
    request.onRetry();
    const longestMs = Math.min(patience.backoffMs * 2 ** (number - 1), patience.backoffMsMax);
    await pause(Math.random() * longestMs, undefined, signal === undefined ? {} : { signal }).catch(() =>
      signal?.throwIfAborted(),
    );
  }
}

async function attemptOnce<T>(
  { signal, timeoutMs }: Request,
  number: number,
  run: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const late = (afterMs: number) => () => deadline.abort(new UselessAnswer(`no answer within ${afterMs} ms`));
  let timer = setTimeout(late(timeoutMs), timeoutMs);
  const extend = (nextMs: number): void => {
    clearTimeout(timer);
    timer = setTimeout(late(nextMs), nextMs);
  };
  try {
    return await run({
      number,
      signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
      extend,
    });
  } catch (error) {
    // The SDK reports an abort in words of its own.
    deadline.signal.throwIfAborted();
    deadline.abort(); // R4
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
