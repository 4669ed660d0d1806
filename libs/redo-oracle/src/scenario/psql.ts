/** Programs of Postgres that run files against a cluster. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOOTSTRAP_SUPERUSER } from '@neon/postgres-server';
import { Refusal } from '@neon/kernel';
import type { OracleCluster } from '../oracle-cluster';

/** psql's exit code when the connection was lost. */
const CONNECTION_LOST = 2;
const PROGRAM_TIMEOUT_MS = 300_000;
const RESTART_TIMEOUT_MS = 120_000;

export interface SqlFile {
  readonly database: string;
  readonly path: string;
  /** Where relative names of files are looked up. */
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a file of psql commands; statements in it may fail.
 *
 * @returns whether the connection was kept: a server that crashed under the file restarts by itself, and is waited for
 */
export async function runSqlFile(cluster: OracleCluster, { database, path, cwd, env = {} }: SqlFile): Promise<boolean> {
  const args = ['-X', '-q', '-v', 'HIDE_TABLEAM=on', '-v', 'HIDE_TOAST_COMPRESSION=on', '-f', path];
  const code = await runProgram('psql', [...args, connectionOf(cluster, database)], {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  if (code !== CONNECTION_LOST) return true;
  await untilUp(cluster);
  return false;
}

/** Runs `program` with a file as its input; its outcome does not matter. */
export async function feedProgram(
  program: string,
  {
    cluster,
    database,
    path,
    libraryPath,
  }: { cluster: OracleCluster; database: string; path: string; libraryPath: string },
): Promise<void> {
  const input = await open(path);
  try {
    await runProgram(program, [connectionOf(cluster, database)], {
      env: { ...process.env, LD_LIBRARY_PATH: libraryPath, PGISOLATIONTIMEOUT: '30' },
      stdio: [input.fd, 'ignore', 'ignore'],
    });
  } finally {
    await input.close();
  }
}

const connectionOf = ({ port }: OracleCluster, database: string): string =>
  `host=127.0.0.1 port=${port} user=${BOOTSTRAP_SUPERUSER} dbname=${database}`;

function runProgram(program: string, args: readonly string[], options: SpawnOptions): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, timeout: PROGRAM_TIMEOUT_MS });
    child.once('error', (cause) =>
      reject(
        new Refusal('ProgramMissing', `${program} did not run: ${String(cause)}; install Postgres' client programs`),
      ),
    );
    child.once('exit', (code) => resolve(code));
  });
}

async function untilUp(cluster: OracleCluster): Promise<void> {
  const deadline = Date.now() + RESTART_TIMEOUT_MS;
  for (;;) {
    try {
      return await cluster.run(['SELECT 1']);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
