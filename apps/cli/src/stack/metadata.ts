/** The control plane's own Postgres: a stock server with durable settings, reachable only with its password. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chownSync, mkdirSync } from 'node:fs';
import { BOOTSTRAP_SUPERUSER, type Distribution, initCluster } from '@neon/postgres-server';
import { Client } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Home, folder } from '../home';
import { CommandFailure } from '../progress';

const DATABASE = 'neon';
const READY_TIMEOUT_MS = 30_000;

export const metadataDir = (home: Home): string => join(folder(home, 'data'), 'metadata', 'pgdata');

export interface MetadataAddress {
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

export const metadataUrl = ({ host, port, password }: MetadataAddress): string =>
  `postgresql://${BOOTSTRAP_SUPERUSER}:${password}@${host}:${port}/${DATABASE}`;

export async function ensureMetadataCluster(home: Home, distribution: Distribution, password: string): Promise<void> {
  const directory = metadataDir(home);
  if (existsSync(join(directory, 'PG_VERSION'))) return;
  const parent = join(directory, '..');
  mkdirSync(parent, { recursive: true });
  if (home.user !== null) chownSync(parent, home.user.uid, home.user.gid);
  await initCluster(distribution, directory, home.user, { password });
}

/** Waits for the server, then makes the database when it is not there. */
export async function ensureMetadataDatabase(address: MetadataAddress): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const client = new Client({ ...address, user: BOOTSTRAP_SUPERUSER, database: 'postgres' });
    try {
      await client.connect();
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new CommandFailure(`the metadata Postgres on port ${address.port} does not answer: ${String(error)}`);
      await sleep(20);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
