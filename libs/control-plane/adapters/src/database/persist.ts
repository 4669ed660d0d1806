/** A start outlives the database, which may be away at its beginning or go in the middle of it. */
import { Corrupt } from '@neon/kernel';
import { setTimeout as sleep } from 'node:timers/promises';

const AWAY_TIMEOUT_MS = 30_000;
const PAUSE_MS = 100;

/** Work that may be repeated is, until it is done. @throws Corrupt at once; what it fails with after AWAY_TIMEOUT_MS */
export async function persist<T>(work: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + AWAY_TIMEOUT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Corrupt || performance.now() > deadlineMs) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
