/**
 * The stock Postgres that writes the WAL: made, its cold directory copied, started with everything logged for checking.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, chownSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BOOTSTRAP_SUPERUSER,
  initCluster,
  postgresUser,
  startPostgres,
  type Distribution,
  type PostgresServer,
} from '@neon/postgres-server';
import { Client } from 'pg';

export interface OracleServer {
  readonly dataDir: string;
  /** The data directory as it was before its first start. */
  readonly baseDir: string;
  connect(database?: string): Promise<Client>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 120_000;

/** Everything is logged and checked, and nothing is recycled before it was replayed. */
const settings = (port: number): Record<string, string> => ({
  port: String(port),
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  autovacuum: 'off',
  shared_buffers: '128MB',
  max_connections: '30',
  max_wal_size: '200GB',
  wal_keep_size: '200GB',
  checkpoint_timeout: '1d',
  wal_level: 'logical',
  wal_consistency_checking: 'all',
  max_prepared_transactions: '20',
  track_commit_timestamp: 'on',
  logging_collector: 'off',
  log_min_messages: 'panic',
});

export async function startOracleServer(
  distribution: Distribution,
  workDir: string,
  extraSettings: Readonly<Record<string, string>>,
): Promise<OracleServer> {
  const user = postgresUser();
  const dataDir = join(workDir, 'data');
  const baseDir = join(workDir, 'base');
  mkdirSync(workDir, { recursive: true });
  if (user !== null) chownSync(workDir, user.uid, user.gid);
  await initCluster(distribution, dataDir, user);
  // In a file, not on the command line: the workload turns them on.
  appendFileSync(join(dataDir, 'postgresql.conf'), 'full_page_writes = off\n');
  execFileSync('cp', ['-a', dataDir, baseDir]);
  const port = await freePort();
  const server = await startPostgres({
    distribution,
    dataDir,
    user,
    settings: { ...settings(port), ...extraSettings },
    logFile: join(workDir, 'postgres.log'),
    timeoutMs: START_TIMEOUT_MS,
  });
  return {
    dataDir,
    baseDir,
    connect: (database = 'postgres') => connect(port, database),
    stop: () => stop(server, port),
  };
}

async function connect(port: number, database: string): Promise<Client> {
  const client = new Client({ host: '127.0.0.1', port, user: BOOTSTRAP_SUPERUSER, database });
  await client.connect();
  return client;
}

/** A fast stop ends with a shutdown checkpoint, which writes all pages. */
async function stop(server: PostgresServer, port: number): Promise<void> {
  const client = await connect(port, 'postgres').catch(() => null);
  await client?.query('CHECKPOINT').catch(() => undefined);
  await client?.end();
  await sleep(0);
  await server.stop('fast', STOP_TIMEOUT_MS);
}

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
