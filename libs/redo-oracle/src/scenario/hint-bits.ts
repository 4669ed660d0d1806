/**
 * Hint bits that are WAL-logged, and page images compressed by each method the server has.
 */
import type { Client } from 'pg';
import type { Scenario } from './scenario';

export const hintBits: Scenario = {
  name: 'hint bits and compressed images',
  async run(cluster, { major, report }) {
    cluster.record();
    await cluster.start({ wal_log_hints: 'on', full_page_writes: 'on' });
    await cluster.session(async (client) => {
      for (const method of major === 14 ? ['off', 'on'] : await compressionMethods(client)) {
        report(`images compressed: ${method}`);
        await client.query(`SET wal_compression = ${method}`);
        for (const statement of statements(`t_${method}`)) await client.query(statement);
      }
    });
    await cluster.stop();
  },
};

async function compressionMethods(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ method: string }>(
    `SELECT unnest(enumvals) AS method FROM pg_settings WHERE name = 'wal_compression'`,
  );
  return rows.map(({ method }) => method).filter((method) => method !== 'on');
}

/** After a checkpoint, a page's first change brings its image: reading for the first time after commit is a change too. */
const statements = (table: string): string[] => [
  `CREATE TABLE ${table} (k int PRIMARY KEY, v text)`,
  `CREATE INDEX ON ${table} USING gin (to_tsvector('simple', v))`,
  `CREATE INDEX ON ${table} USING hash (v)`,
  `INSERT INTO ${table} SELECT i, repeat(md5(i::text), i % 20) FROM generate_series(1, 3000) i`,
  'CHECKPOINT',
  `SELECT count(*) FROM ${table} WHERE v <> ''`,
  `UPDATE ${table} SET v = v || 'x' WHERE k % 3 = 0`,
  `DELETE FROM ${table} WHERE k % 4 = 0`,
  'CHECKPOINT',
  `SELECT count(*) FROM ${table} WHERE v <> ''`,
  `VACUUM (FREEZE) ${table}`,
  `UPDATE ${table} SET v = 'y' WHERE k % 5 = 0`,
];
