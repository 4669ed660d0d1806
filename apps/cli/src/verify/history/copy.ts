/**
 * A server whose content is compared: the compute of a branch, or the reference. Both are reached as the platform's
 * superuser over a private socket, by sessions that read a table in the order of its pages and fire nobody's triggers.
 */
import { BOOTSTRAP_SUPERUSER } from '@neon/postgres-server';
import { Client } from 'pg';

export interface Copy {
  readonly name: 'compute' | 'reference';
  readonly major: number;
  readonly socket: { readonly host: string; readonly port: number };
}

/** A database may have settings of its own; these win over them. */
const SETTINGS: Readonly<Record<string, string>> = {
  synchronize_seqscans: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  lc_messages: 'C',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // A prepared transaction holds its locks until somebody ends it.
  lock_timeout: '5s',
};

/** Before this major, nothing switches them off: the workload leaves none behind. */
const FIRST_WITH_EVENT_TRIGGERS_SETTING = 17;

export async function withSession<T>(
  { socket, major }: Copy,
  database: string,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const settings = major < FIRST_WITH_EVENT_TRIGGERS_SETTING ? SETTINGS : { ...SETTINGS, event_triggers: 'off' };
  const options = Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
  const client = new Client({ ...socket, user: BOOTSTRAP_SUPERUSER, database, options });
  await client.connect();
  return use(client).finally(() => client.end());
}

/** All databases that can be connected to, template0 among them once `openTemplate` was called. */
export const databasesOf = (copy: Copy): Promise<string[]> =>
  withSession(copy, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY oid',
    );
    return rows.map(({ name }) => name);
  });

/** Opens template0 for sessions: a change of pg_database, to be made when that has been read. */
export const openTemplate = (copy: Copy): Promise<void> =>
  withSession(copy, 'postgres', async (client) => {
    await client.query('ALTER DATABASE template0 ALLOW_CONNECTIONS true');
  });
