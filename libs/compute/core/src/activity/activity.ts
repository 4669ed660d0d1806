/**
 * When a compute was last in use: what decides whether it may be suspended.
 *
 *   T1  A client session that is not idle is activity now; so are a running autovacuum, and a replication connection of a
 *       client.
 *   T2  Otherwise the last time any client session changed state counts, and it never goes back.
 *   T3  Sessions of the platform's superuser are nobody's activity: the walproposer's and the agent's are such.
 */
import { PLATFORM_SUPERUSER } from '../access/access-plan';

/** One row of `ACTIVITY_QUERY`. */
export interface ActivityRow {
  readonly sessions: number;
  readonly busy: number;
  /** Milliseconds since the Unix epoch; null without sessions. */
  readonly lastChangeAt: number | null;
}

/** Cheap: pg_stat_activity alone, one row. Walsenders are sessions that are never idle. */
export const ACTIVITY_QUERY = `
  SELECT count(*) FILTER (WHERE backend_type = 'client backend')::int AS "sessions",
         count(*) FILTER (WHERE backend_type <> 'client backend' OR state IS DISTINCT FROM 'idle')::int AS "busy",
         (extract(epoch FROM max(state_change) FILTER (WHERE backend_type = 'client backend')) * 1000)::float8 AS "lastChangeAt"
  FROM pg_catalog.pg_stat_activity
  WHERE backend_type IN ('client backend', 'walsender', 'autovacuum worker')
    AND usename IS DISTINCT FROM '${PLATFORM_SUPERUSER}'`;

export interface Activity {
  readonly lastActiveAt: number;
  readonly sessions: number;
}

export function nextActivity(activity: Activity, row: ActivityRow, now: number): Activity {
  const seen = row.busy > 0 ? now : Math.min(row.lastChangeAt ?? 0, now);
  return { lastActiveAt: Math.max(activity.lastActiveAt, seen), sessions: row.sessions };
}
