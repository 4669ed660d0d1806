/**
 * Postgres' own regression scripts, from a source tree of the same or the nearest major, as a workload: what the statements answer is not
 * looked at, and many fail (there is no regress.so). What counts is that the server lives, and what it leaves.
 *
 *   R1  Every script of parallel_schedule runs, group after group; scripts of one group run a few at a time.
 *       Left out is what waits for ever when psql is older than the server.
 *   R2  No tablespace is made: such a record stops a branch's ingest by design. Statements that would are left out.
 *   R3  Left out are statements of a newer minor release for a bug that ends servers of the major before it (18.4 by SIGSEGV).
 */
import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BOOTSTRAP_SUPERUSER, type PostgresUser } from '@neon/postgres-server';
import { findPostgresSources, nearestSource } from '@neon/redo-oracle';
import { which } from '../../prerequisites';
import { CommandFailure } from '../../progress';
import type { LocalCompute } from '../local-compute';

export interface RegressionSuite {
  readonly directory: string;
  readonly groups: readonly (readonly string[])[];
  readonly psql: string;
}

export interface ScriptRun {
  /** Statements of it that failed. */
  readonly errors: number;
  /** psql's exit code; null when it was ended because it took too long. */
  readonly exitCode: number | null;
}

const DATABASE = 'regression';
const AT_ONCE = 4;
const SCRIPT_TIMEOUT_MS = 300_000;
/** How a line of parallel_schedule begins that names scripts. */
const GROUP = 'test:';
const NEWER_PSQL = new Set(['psql_pipeline']);
const LEFT_OUT = [
  /^create tablespace .*$/gim,
  /^SELECT .*::sqljson_mystr .*$/gm,
  /^SELECT satisfies_hash_partition\(.* VARIADIC NULL::int\[\]\);$/gm,
];

/** @throws CommandFailure when there is no source tree, or no psql */
export function findSuite(sources: string, major: number): RegressionSuite {
  const source = nearestSource(findPostgresSources(sources), major);
  if (source === undefined)
    throw new CommandFailure(`no Postgres source tree in ${sources}: tools/fetch-postgres-sources.sh gets some`);
  const psql = which('psql');
  if (psql === null) throw new CommandFailure('psql is not installed: sudo apt-get install postgresql-client');
  const directory = join(source.directory, 'src/test/regress');
  const groups = readFileSync(join(directory, 'parallel_schedule'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(GROUP))
    .map((line) => line.slice(GROUP.length).trim().split(/\s+/))
    .map((names) => names.filter((name) => !NEWER_PSQL.has(name)));
  return { directory, groups, psql };
}

/** As pg_regress makes it. */
export async function makeRegressionDatabase(compute: LocalCompute): Promise<void> {
  await compute.withAdmin('postgres', async (client) => {
    await client.query(`CREATE DATABASE ${DATABASE} TEMPLATE template0`);
    for (const setting of ["lc_messages = 'C'", "lc_monetary = 'C'", "lc_numeric = 'C'", "lc_time = 'C'"])
      await client.query(`ALTER DATABASE ${DATABASE} SET ${setting}`);
  });
}

/** A place where scripts write files, through the server too. */
export function outputDirectory(workDir: string, user: PostgresUser | null): string {
  const directory = join(workDir, 'regress');
  for (const path of [directory, join(directory, 'results')]) {
    mkdirSync(path, { recursive: true });
    if (user !== null) chownSync(path, user.uid, user.gid);
  }
  return directory;
}

export interface GroupRun {
  readonly suite: RegressionSuite;
  readonly compute: LocalCompute;
  readonly outputDir: string;
  readonly onScript: (name: string, run: ScriptRun) => void;
}

export async function runGroup(group: readonly string[], options: GroupRun): Promise<void> {
  const queue = [...group];
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift())
      options.onScript(name, await runScript(name, options));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function runScript(name: string, { suite, compute, outputDir }: GroupRun): Promise<ScriptRun> {
  const source = readFileSync(join(suite.directory, 'sql', `${name}.sql`), 'latin1');
  const script = LEFT_OUT.reduce((text, statement) => text.replace(statement, ''), source);
  const errorFile = join(outputDir, `${name}.errors`);
  const child = spawn(suite.psql, ['-X', '-q', '-v', 'HIDE_TABLEAM=on', '-v', 'HIDE_TOAST_COMPRESSION=on', '-f', '-'], {
    cwd: outputDir,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      PGHOST: compute.socket.host,
      PGPORT: String(compute.socket.port),
      PGUSER: BOOTSTRAP_SUPERUSER,
      PGDATABASE: DATABASE,
      PGTZ: 'America/Los_Angeles',
      PGDATESTYLE: 'Postgres, MDY',
      PGOPTIONS: '-c intervalstyle=postgres_verbose -c statement_timeout=120s',
      PGAPPNAME: `pg_regress/${name}`,
      PG_ABS_SRCDIR: suite.directory,
      PG_ABS_BUILDDIR: outputDir,
      PG_LIBDIR: outputDir,
      PG_DLSUFFIX: '.so',
      LC_ALL: 'C.UTF-8',
    },
  });
  const messages: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => void messages.push(chunk));
  // A psql that ended early leaves input unread.
  child.stdin.on('error', () => undefined);
  child.stdin.end(script, 'latin1');
  const timer = setTimeout(() => child.kill('SIGKILL'), SCRIPT_TIMEOUT_MS);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (exitCode) => {
      clearTimeout(timer);
      const text = Buffer.concat(messages).toString('latin1');
      writeFileSync(errorFile, text);
      done({ errors: text.match(/^psql:<stdin>:\d+: ERROR: /gm)?.length ?? 0, exitCode });
    });
  });
}
