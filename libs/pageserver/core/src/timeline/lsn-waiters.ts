/**
 * Those who wait until ingest has reached an LSN.
 *
 *   L1  A waiter is released as soon as its LSN is reached, refused as soon as that cannot happen, or when its signal fires.
 */
import { type Lsn, Lsn as LsnOf, Refusal } from '@neon/kernel';

/** Requests that may wait on one timeline; the next one is refused. */
const WAITERS_MAX = 4096;

interface Waiter {
  readonly lsn: Lsn;
  readonly resolve: () => void;
  readonly reject: (reason: Refusal) => void;
}

export class LsnWaiters {
  private readonly waiters = new Set<Waiter>();

  get count(): number {
    return this.waiters.size;
  }

  wait(lsn: Lsn, signal: AbortSignal): Promise<void> {
    if (this.waiters.size >= WAITERS_MAX)
      return Promise.reject(new Refusal('Overloaded', `${WAITERS_MAX} requests wait for WAL on this timeline`));
    return new Promise((resolve, reject) => {
      const late = (): void =>
        waiter.reject(new Refusal('LsnNotReached', `${LsnOf.format(lsn)} was not ingested in time`));
      const done = (settle: () => void): void => {
        this.waiters.delete(waiter);
        signal.removeEventListener('abort', late);
        settle();
      };
      const waiter: Waiter = { lsn, resolve: () => done(resolve), reject: (reason) => done(() => reject(reason)) };
      this.waiters.add(waiter);
      signal.addEventListener('abort', late);
      if (signal.aborted) late();
    });
  }

  reached(lsn: Lsn): void {
    for (const waiter of this.waiters) if (waiter.lsn <= lsn) waiter.resolve();
  }

  refuse(reason: Refusal): void {
    for (const waiter of this.waiters) waiter.reject(reason);
  }
}
