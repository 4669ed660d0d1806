/**
 * Brings the database's schema up to date at boot.
 *
 *   M1  Each migration is applied once, in the order of names, in one transaction of its own.
 *   M2  What was applied is recorded as Prisma records it (`_prisma_migrations`, SHA-256 of the file), so Prisma's own commands
 *       see the same history.
 *   M3  A migration whose file changed after it was applied is refused: the file no longer says what the database is.
 *   M4  Of processes that boot at once, one migrates and the others wait.
 *   M5  A database that is away, or goes meanwhile, is waited for (`persist.ts`).
 */
import { Corrupt, Unavailable } from '@neon/kernel';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { persist } from './persist';

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** Prisma's own lock number. */
const LOCK = 72707369;

const HISTORY = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

/** The migrations in `prisma/migrations` of the checkout that `from` lies in. */
export function readMigrations(from: string): readonly Migration[] {
  for (let folder = from; ; folder = dirname(folder)) {
    const migrations = join(folder, 'prisma/migrations');
    if (existsSync(migrations))
      return readdirSync(migrations, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && /^\d{14}_/.test(entry.name))
        .map(({ name }) => ({ name, sql: readFileSync(join(migrations, name, 'migration.sql'), 'utf8') }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    if (dirname(folder) === folder) throw new Unavailable(`no prisma/migrations above ${from}`);
  }
}

/**
 * @returns the names of those applied
 * @throws Corrupt (M3); Unavailable when the database does not answer in time
 */
export const migrate = (url: string, migrations: readonly Migration[]): Promise<readonly string[]> =>
  persist(() => migrateNow(url, migrations));

async function migrateNow(url: string, migrations: readonly Migration[]): Promise<readonly string[]> {
  const client = new Client({ connectionString: url });
  // A connection that ends fails the query that is under way.
  client.on('error', () => undefined);
  try {
    await client.connect().catch((cause: unknown) => {
      throw new Unavailable('the database of the control plane does not answer', { cause });
    });
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(HISTORY);
    const applied: string[] = [];
    for (const migration of migrations) if (await apply(client, migration)) applied.push(migration.name);
    return applied;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function apply(client: Client, { name, sql }: Migration): Promise<boolean> {
  const checksum = createHash('sha256').update(sql).digest('hex');
  const { rows } = await client.query<{ checksum: string; finished: boolean }>(
    `SELECT checksum, finished_at IS NOT NULL AS finished FROM "_prisma_migrations"
     WHERE migration_name = $1 AND rolled_back_at IS NULL ORDER BY started_at DESC LIMIT 1`,
    [name],
  );
  const [row] = rows;
  if (row?.finished === true) {
    if (row.checksum !== checksum) throw new Corrupt(`migration ${name} was changed after it was applied`);
    return false;
  }
  try {
    await client.query('BEGIN');
    await client.query(sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
    return true;
  } catch (cause) {
    await client.query('ROLLBACK');
    throw new Corrupt(`migration ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
