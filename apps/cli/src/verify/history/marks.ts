/**
 * Moments of the run, as LSNs: some noted where the run says so, more by a clock in the middle of whatever happens.
 *
 *   M1  `chosen` keeps every moment that the run named and fills up to `count` with sampled ones, spread over the run; of
 *       those around one place, one with transactions that had written and not ended.
 */
import { Lsn } from '@neon/kernel';
import type { Client } from 'pg';

export interface Mark {
  readonly lsn: Lsn;
  /** What went on. */
  readonly what: string;
  /** Transactions that had written something and not ended. */
  readonly openTransactions: number;
}

const SAMPLE_MS = 150;

/** Asks a session of its own for as long as `run` takes. A session that breaks with its server is left to `run` to tell. */
export async function sampled<T>(
  { client, what, marks }: { readonly client: Client; readonly what: () => string; readonly marks: Mark[] },
  run: () => Promise<T>,
): Promise<T> {
  let asking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    asking = asking
      .then(() => mark(client, what()))
      .then(
        (each) => void marks.push(each),
        () => undefined,
      );
  }, SAMPLE_MS);
  try {
    return await run();
  } finally {
    clearInterval(timer);
    await asking;
  }
}

export async function mark(client: Client, what: string): Promise<Mark> {
  const { rows } = await client.query<{ lsn: string; open: number }>(
    `SELECT pg_current_wal_flush_lsn()::text AS lsn, count(*) FILTER (WHERE backend_xid IS NOT NULL)::int AS open
     FROM pg_stat_activity`,
  );
  return { lsn: Lsn.parse(rows[0]?.lsn ?? ''), what, openTransactions: rows[0]?.open ?? 0 };
}

/** M1. */
export function chosen(named: readonly Mark[], samples: readonly Mark[], count: number): Mark[] {
  const [first, last] = [samples[0]?.lsn ?? 0, samples.at(-1)?.lsn ?? 0];
  const wanted = Math.max(0, count - named.length);
  const picked = Array.from({ length: wanted }, (_, i) => {
    const [from, to] = [i / wanted, (i + 1) / wanted].map((part) => first + (last - first) * part);
    const around = samples.filter(({ lsn }) => lsn >= (from ?? 0) && lsn <= (to ?? 0));
    const busy = around.filter(({ openTransactions }) => openTransactions > 0);
    const candidates = busy.length > 0 ? busy : around;
    return candidates[Math.floor(candidates.length / 2)];
  });
  const all = [...named, ...picked.flatMap((each) => (each === undefined ? [] : [each]))];
  const byLsn = new Map(all.map((each) => [each.lsn, each]));
  return [...byLsn.values()].sort((a, b) => a.lsn - b.lsn);
}
