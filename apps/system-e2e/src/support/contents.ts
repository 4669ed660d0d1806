/** What a database holds, as a digest: equal digests mean equal rows in every table, sequences and definitions. */
import type { Client } from 'pg';

export async function digest(client: Client): Promise<Record<string, string>> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'm') AND relpersistence = 'p' AND nspname !~ '^pg_temp' ORDER BY 1`,
  );
  const result: Record<string, string> = {};
  for (const { name } of tables) {
    if (name === 'pg_catalog.pg_statistic') continue;
    const { rows } = await client.query<{ digest: string }>(
      `SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS digest FROM ${name} t`,
    );
    result[name] = rows[0]?.digest ?? '';
  }
  return result;
}

/** Every check amcheck has, on every table and btree index of the database. @returns complaints */
export async function amcheck(client: Client): Promise<string[]> {
  await client.query('CREATE EXTENSION IF NOT EXISTS amcheck');
  const complaints: string[] = [];
  const { rows: heaps } = await client.query<{ oid: number; name: string }>(
    `SELECT oid, oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'm', 't') AND relpersistence = 'p'`,
  );
  for (const { oid, name } of heaps) {
    const { rows } = await client.query<{ msg: string }>(
      'SELECT msg FROM verify_heapam($1::oid::regclass, check_toast => true)',
      [oid],
    );
    complaints.push(...rows.map((row) => `${name}: ${row.msg}`));
  }
  const { rows: indexes } = await client.query<{ oid: number; name: string }>(
    `SELECT c.oid, c.oid::regclass::text AS name FROM pg_class c JOIN pg_am a ON a.oid = relam JOIN pg_index i ON i.indexrelid = c.oid
     WHERE amname = 'btree' AND relpersistence = 'p' AND indisvalid`,
  );
  for (const { oid, name } of indexes) {
    await client
      .query('SELECT bt_index_parent_check($1::oid::regclass, true, true)', [oid])
      .catch((error: unknown) => complaints.push(`${name}: ${String(error)}`));
  }
  return complaints;
}
