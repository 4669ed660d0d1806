/**
 * The workload of statements: scripts for each access method, what needs two sessions, databases, random clients.
 *
 *   R1  A statement of a script that fails ends the run: scripts are written to succeed. Random statements may fail.
 *   R2  It changes no setting of the server, and makes no tablespace: it may be anybody's server.
 */
import { Refusal } from '@neon/kernel';
import type { PostgresMajor } from '@neon/postgres';
import type { Client } from 'pg';
import { btreeScript } from './btree-script';
import { concurrentScript, manyMultixacts, type SessionStep } from './concurrent-script';
import { databaseScript, insideDatabaseStatements } from './database-script';
import { heapScript } from './heap-script';
import { brinScript, genericScript, ginScript, gistScript, hashScript, spgistScript } from './index-scripts';
import { randomSchema, randomTransactions } from './random-workload';
import type { Script } from './script';

/** What a workload runs on. */
export interface WorkloadServer {
  connect(database?: string): Promise<Client>;
}

export interface WorkloadSize {
  readonly clients: number;
  readonly transactionsPerClient: number;
}

const INDEX_SCRIPTS: readonly Script[] = [hashScript, ginScript, gistScript, spgistScript, brinScript, genericScript];

/** @param report told what happens, line by line */
export async function runScripts(
  server: WorkloadServer,
  { major, report }: { readonly major: PostgresMajor; readonly report: (line: string) => void },
): Promise<void> {
  await inSession(server, async (client) => {
    for (const each of [heapScript, btreeScript, ...INDEX_SCRIPTS]) {
      report(`script ${each.name}`);
      await runScript(client, each);
    }
  });
  report('script with two sessions');
  await runSteps(server, concurrentScript);
  await runSteps(server, manyMultixacts);
  report('script for databases');
  await runDatabases(server, major);
}

/** What the random clients work on: once, before them. */
export const makeRandomTables = (server: WorkloadServer): Promise<void> =>
  inSession(server, (client) => runScript(client, { name: 'random tables', statements: randomSchema }));

export async function runRandomClients(
  server: WorkloadServer,
  { seed, size }: { readonly seed: number; readonly size: WorkloadSize },
): Promise<void> {
  const clients = Array.from({ length: size.clients }, (_, number) =>
    inSession(server, async (each) => {
      await each.query(`SET lock_timeout = '500ms'`);
      for (const transaction of randomTransactions(seed, number, size.transactionsPerClient))
        await attempt(each, transaction);
    }),
  );
  await Promise.all(clients);
}

export async function runScript(client: Client, { name, statements }: Script): Promise<void> {
  for (const statement of statements) await run(client, name, statement);
}

async function run(client: Client, name: string, statement: string): Promise<void> {
  try {
    await client.query(statement);
  } catch (cause) {
    throw new Refusal('ScriptFailed', `script ${name}: ${String(cause)} in: ${statement}`);
  }
}

async function runDatabases(server: WorkloadServer, major: PostgresMajor): Promise<void> {
  const again = `CREATE DATABASE again TEMPLATE logged${major > 14 ? ' STRATEGY file_copy' : ''}`;
  const inside = (database: string, first: boolean): Promise<void> =>
    inSession(
      server,
      (own) => runScript(own, { name: `inside database ${database}`, statements: insideDatabaseStatements({ first }) }),
      database,
    );
  await inSession(server, (client) => runScript(client, databaseScript(major)));
  await inside('logged', true);
  await inside('copied', true);
  await inSession(server, (client) => run(client, 'database', again));
  await inside('again', false);
}

/** Steps of two sessions, one after the other. */
export async function runSteps(server: WorkloadServer, steps: readonly SessionStep[]): Promise<void> {
  const sessions = { a: await server.connect(), b: await server.connect() };
  try {
    for (const { session, sql } of steps) await run(sessions[session], `session ${session}`, sql);
  } finally {
    await sessions.a.end();
    await sessions.b.end();
  }
}

/** Deadlocks, timeouts and unique violations are part of the game; whatever was begun is rolled back. */
async function attempt(client: Client, transaction: readonly string[]): Promise<void> {
  try {
    for (const statement of transaction) await client.query(statement);
  } catch {
    await client.query('ROLLBACK');
  }
}

async function inSession(
  server: WorkloadServer,
  use: (client: Client) => Promise<void>,
  database?: string,
): Promise<void> {
  const client = await server.connect(database);
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
