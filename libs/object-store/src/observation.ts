/** What object stores tell of their work: one span and one duration for each request of a caller, whatever it takes below. */
import { Corrupt, Refusal } from '@neon/kernel';
import { counter, secondsHistogram, withSpan } from '@neon/telemetry';

const component = 'object_store';
const requestSeconds = secondsHistogram({
  component,
  name: 'neon_object_store_request_seconds',
  description: 'Requests to the object store, attempts that were repeated included',
});
const transferredBytes = counter({
  component,
  name: 'neon_object_store_transferred_bytes_total',
  description: 'Bytes of objects that were sent and received',
});
const retries = counter({
  component,
  name: 'neon_object_store_retries_total',
  description: 'Attempts at requests after a first one that failed',
});
const unverifiedReads = counter({
  component,
  name: 'neon_object_store_unverified_reads_total',
  description: 'Objects read that have no checksum of ours: something else put them there',
});

export interface ObservedRequest {
  readonly store: string;
  readonly operation: string;
  /** The key or prefix; in spans only. */
  readonly object: string;
  readonly signal: AbortSignal | undefined;
}

/** Runs a request unless it is aborted already. */
export function observed<T>({ store, operation, object, signal }: ObservedRequest, run: () => Promise<T>): Promise<T> {
  return withSpan(`object store ${operation}`, { store, object }, async () => {
    const started = performance.now();
    const record = (outcome: string): void => requestSeconds.recordSince(started, { store, operation, outcome });
    try {
      signal?.throwIfAborted();
      const result = await run();
      record(result === null ? 'absent' : 'ok');
      return result;
    } catch (error) {
      record(outcomeOf(error, signal));
      throw error;
    }
  });
}

function outcomeOf(error: unknown, signal: AbortSignal | undefined): string {
  if (error instanceof Refusal) return 'refused';
  if (error instanceof Corrupt) return 'corrupt';
  return signal?.aborted === true ? 'aborted' : 'unavailable';
}

export const countTransferred = (store: string, direction: 'sent' | 'received', size: number): void =>
  transferredBytes(size, { store, direction });
export const countRetry = (store: string, operation: string): void => retries(1, { store, operation });
export const countUnverified = (store: string): void => unverifiedReads(1, { store });
