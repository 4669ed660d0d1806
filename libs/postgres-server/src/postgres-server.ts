/**
 * One stock Postgres process: made, started, watched, stopped.
 *
 *   P1  `startPostgres` resolves when the server accepts connections, or throws `StartFailed` with the end of its log.
 *   P2  `stop` resolves when the process has ended, whatever it took; `exited` tells how it ended.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Refusal } from '@neon/kernel';
import type { Distribution } from './distribution';
import type { PostgresUser } from './postgres-user';

const run = promisify(execFile);

const POLL_MS = 3;
const LOG_TAIL_BYTES = 4_000;

/** The superuser of every cluster of ours: the platform's own, never a customer's. */
export const BOOTSTRAP_SUPERUSER = 'cloud_admin';

/**
 * Runs initdb.
 *
 * @param options.password when given, every connection needs it (SCRAM); otherwise access is up to a pg_hba.conf of the caller's
 */
export async function initCluster(
  distribution: Distribution,
  dataDir: string,
  user: PostgresUser | null,
  { password }: { password?: string } = {},
): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const passwordFile = `${dataDir}.password`;
  const args = ['-D', dataDir, '-U', BOOTSTRAP_SUPERUSER, '-E', 'UTF8', '--locale=C.UTF-8', '--no-instructions'];
  if (distribution.major >= 18) args.push('--no-data-checksums');
  if (password === undefined) args.push('-A', 'trust', '--no-sync');
  else {
    writeFileSync(passwordFile, password, { mode: 0o600 });
    args.push('-A', 'scram-sha-256', `--pwfile=${passwordFile}`);
  }
  if (user !== null) {
    chownSync(dataDir, user.uid, user.gid);
    if (password !== undefined) chownSync(passwordFile, user.uid, user.gid);
  }
  try {
    await run(join(distribution.directory, 'bin/initdb'), args, { ...user, cwd: '/', env: environment({}) });
  } catch (cause) {
    rmSync(dataDir, { recursive: true, force: true });
    throw new Refusal(
      'InitFailed',
      `initdb of Postgres ${distribution.version} failed: ${String(cause).slice(0, LOG_TAIL_BYTES)}`,
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

export interface StartOptions {
  readonly distribution: Distribution;
  readonly dataDir: string;
  readonly user: PostgresUser | null;
  /** Server parameters, as `-c name=value`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Where standard output and error go; opened for appending. */
  readonly logFile: string;
  readonly timeoutMs: number;
}

export interface PostgresServer {
  readonly pid: number;
  /** Settles when the process has ended. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** `smart` waits for sessions, `fast` ends them and checkpoints, `immediate` just ends. */
  stop(mode: 'smart' | 'fast' | 'immediate', timeoutMs: number): Promise<void>;
}

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

export async function startPostgres(options: StartOptions): Promise<PostgresServer> {
  const { distribution, dataDir, settings, user, logFile } = options;
  const log = openSync(logFile, 'a', 0o600);
  const args = ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const child = spawn(join(distribution.directory, 'bin/postgres'), args, {
    ...user,
    cwd: '/',
    env: environment(options.env ?? {}),
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const server = serverOf(child);
  if (!(await isReady(dataDir, server, options.timeoutMs))) {
    await server.stop('immediate', 5_000);
    throw new Refusal('StartFailed', `Postgres ${distribution.version} did not start`, { log: tailOf(logFile) });
  }
  return server;
}

function serverOf(child: ChildProcess): PostgresServer {
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  return {
    pid: child.pid ?? 0,
    exited,
    async stop(mode, timeoutMs) {
      child.kill(SIGNALS[mode]);
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Whether postmaster.pid says "ready" (its eighth line, LOCK_FILE_LINE_PM_STATUS) before the process ends or time is up. */
async function isReady(dataDir: string, server: PostgresServer, timeoutMs: number): Promise<boolean> {
  let ended = false;
  void server.exited.then(() => (ended = true));
  const deadline = Date.now() + timeoutMs;
  while (!ended && Date.now() < deadline) {
    const lines = readOrEmpty(join(dataDir, 'postmaster.pid')).split('\n');
    if (lines[0] === String(server.pid) && lines[7]?.startsWith('ready') === true) return true;
    await sleep(POLL_MS);
  }
  return false;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const tailOf = (file: string): string => readOrEmpty(file).slice(-LOG_TAIL_BYTES);

/** Postgres gets a clean environment: nothing of ours but what is named here. */
const environment = (extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  PATH: '/usr/bin:/bin',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  ...extra,
});
