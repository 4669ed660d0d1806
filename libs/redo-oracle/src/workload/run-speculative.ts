/**
 * Two sessions insert one key at once, each speculatively, and one has to take its row version back. The index calls a function
 * that waits for advisory locks, which a third session holds and releases in the order that makes both insert before
 * either looks for conflicts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { runScript, type WorkloadServer } from './run-workload';
import { script } from './script';

/** Long enough for a session to come to its next lock. */
const SETTLE_MS = 50;

const SETUP = script(
  'speculative',
  `
CREATE TABLE speculated (key text, data text)

CREATE FUNCTION wait_for_locks(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  IF pg_try_advisory_xact_lock(current_setting('spec.session')::int, 1) THEN
    PERFORM pg_advisory_xact_lock(current_setting('spec.session')::int, 2);
  ELSE
    PERFORM pg_advisory_xact_lock(current_setting('spec.session')::int, 3);
  END IF;
  RETURN $1;
END $$

CREATE UNIQUE INDEX ON speculated (wait_for_locks(key))
`,
);

const INSERT =
  "INSERT INTO speculated VALUES ('k', 'v') ON CONFLICT (wait_for_locks(key)) DO UPDATE SET data = speculated.data || ' again'";
/** Locks (session, number) in the order in which they are released: both insert, the second finishes, then the first. */
const RELEASES = [
  [1, 1],
  [2, 1],
  [1, 3],
  [2, 3],
  [2, 2],
  [1, 2],
] as const;

/** Statements that wait are sent without waiting for them; each lock is released once all that can be are waiting. */
export async function runSpeculative(server: WorkloadServer): Promise<void> {
  const holder = await server.connect();
  const sessions = [await server.connect(), await server.connect()];
  try {
    await runScript(holder, SETUP);
    for (const [session, lock] of RELEASES) await holder.query(`SELECT pg_advisory_lock(${session}, ${lock})`);
    for (const [index, client] of sessions.entries()) await client.query(`SET spec.session = ${index + 1}`);
    const inserts = Promise.all(sessions.map((client) => client.query(INSERT)));
    for (const [session, lock] of RELEASES) {
      await sleep(SETTLE_MS);
      await holder.query(`SELECT pg_advisory_unlock(${session}, ${lock})`);
    }
    await inserts;
  } finally {
    for (const client of [holder, ...sessions]) await client.end();
  }
}
