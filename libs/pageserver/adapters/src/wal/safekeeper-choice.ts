/**
 * Which safekeeper to stream a timeline from.
 *
 *   C1  The one that is known to have committed most; of those that nothing is known of, each in turn. Every third attempt goes to each in
 *       turn all the same: what is said to be best may be out of reach, or broken.
 *   C2  A status counts as long as it is fresh.
 */
import type { SafekeeperAddress } from '@neon/pageserver-contract';
import type { Lsn } from '@neon/kernel';

export interface KnownStatus {
  readonly commitLsn: Lsn;
  readonly atMs: number;
}

const FRESH_MS = 15_000;

export interface Choice {
  readonly candidates: readonly SafekeeperAddress[];
  readonly known: ReadonlyMap<number, KnownStatus>;
  readonly nowMs: number;
  /** Counts connection attempts. */
  readonly attempt: number;
}

export function chooseSafekeeper({ candidates, known, nowMs, attempt }: Choice): SafekeeperAddress | null {
  if (attempt % 3 === 2) return candidates[Math.floor(attempt / 3) % candidates.length] ?? null;
  const lsnOf = ({ id }: SafekeeperAddress): number => {
    const status = known.get(id);
    return status !== undefined && nowMs - status.atMs <= FRESH_MS ? status.commitLsn : -1;
  };
  let best = candidates[attempt % candidates.length] ?? null;
  for (const candidate of candidates) if (best !== null && lsnOf(candidate) > lsnOf(best)) best = candidate;
  return best;
}
