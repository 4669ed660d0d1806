/**
 * The four ways something does not work out.
 *
 *   Refusal      the caller can act on it: a code it may switch on, and details to show
 *   Unavailable  the world failed for now: retrying may help
 *   Corrupt      the world failed for good: bytes are not what they must be; never retried
 *   assert       a bug: the promise it names was broken, and the unit that broke it stops
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly code: string,
    message: string = code,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

export class Corrupt extends Error {
  override readonly name = 'Corrupt';
}

export function assert(condition: boolean, promise: string): asserts condition {
  if (!condition) throw new Error(`broken promise: ${promise}`);
}

/** The `default` of a switch over a union: fails to compile when a member is not handled. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** What to tell of a `fetch` that threw: it says only "fetch failed", the reason is its cause. */
export function fetchFailureReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
