/**
 * Runs the scripts and the random clients against the server. A statement of a script that fails ends the run: scripts are
 * written to succeed. Random statements may fail.
 */
import { Refusal } from '@neon/kernel';
import type { Client } from 'pg';
import type { OracleServer } from './server';
import { btreeScript } from './workload/btree-script';
import { concurrentScript } from './workload/concurrent-script';
import { databaseScript, insideDatabaseScript } from './workload/database-script';
import { heapScript } from './workload/heap-script';
import { brinScript, genericScript, ginScript, gistScript, hashScript, spgistScript } from './workload/index-scripts';
import { randomSchema, randomTransactions } from './workload/random-workload';
import type { Script } from './workload/script';

export interface WorkloadSize {
  readonly clients: number;
  readonly transactionsPerClient: number;
}

export interface WorkloadOptions {
  readonly seed: number;
  readonly size: WorkloadSize;
  readonly log: (line: string) => void;
}

const SCRIPTS: readonly Script[] = [
  heapScript,
  btreeScript,
  hashScript,
  ginScript,
  gistScript,
  spgistScript,
  brinScript,
  genericScript,
];

export async function runWorkload(server: OracleServer, { seed, size, log }: WorkloadOptions): Promise<void> {
  const client = await server.connect();
  try {
    for (const each of SCRIPTS) {
      log(`script ${each.name}`);
      await runScript(client, each);
    }
    log('script with two sessions');
    await runConcurrent(server);
    log('script database');
    await runScript(client, databaseScript);
    await runInDatabase(server, 'logged');
    await runInDatabase(server, 'copied');
    await client.query('CREATE DATABASE again TEMPLATE logged STRATEGY file_copy');
    await runInDatabase(server, 'again');
    // From here on pages come as images the first time they change: redo must take up from there.
    await client.query('ALTER SYSTEM SET full_page_writes = on');
    await client.query('SELECT pg_reload_conf()');
    await client.query('CHECKPOINT');
    log(`${size.clients} clients, ${size.transactionsPerClient} random transactions each`);
    for (const statement of randomSchema) await client.query(statement);
    await runClients(server, { seed, size });
    await client.query('VACUUM');
  } finally {
    await client.end();
  }
}

async function runScript(client: Client, { name, statements }: Script): Promise<void> {
  for (const statement of statements) await run(client, name, statement);
}

async function run(client: Client, name: string, statement: string): Promise<void> {
  try {
    await client.query(statement);
  } catch (cause) {
    throw new Refusal('ScriptFailed', `script ${name}: ${String(cause)} in: ${statement}`);
  }
}

async function runInDatabase(server: OracleServer, database: string): Promise<void> {
  const client = await server.connect(database);
  try {
    for (const statement of database === 'again'
      ? insideDatabaseScript.statements.slice(2)
      : insideDatabaseScript.statements)
      await run(client, `${insideDatabaseScript.name} ${database}`, statement);
  } finally {
    await client.end();
  }
}

async function runConcurrent(server: OracleServer): Promise<void> {
  const sessions = { a: await server.connect(), b: await server.connect() };
  try {
    for (const { session, sql } of concurrentScript) await run(sessions[session], `session ${session}`, sql);
  } finally {
    await sessions.a.end();
    await sessions.b.end();
  }
}

async function runClients(server: OracleServer, { seed, size }: { seed: number; size: WorkloadSize }): Promise<void> {
  const clients = Array.from({ length: size.clients }, async (_, number) => {
    const client = await server.connect();
    try {
      await client.query(`SET lock_timeout = '500ms'`);
      for (const transaction of randomTransactions(seed, number, size.transactionsPerClient))
        await attempt(client, transaction);
    } finally {
      await client.end();
    }
  });
  await Promise.all(clients);
}

/** Deadlocks, timeouts and unique violations are part of the game; whatever was begun is rolled back. */
async function attempt(client: Client, transaction: readonly string[]): Promise<void> {
  try {
    for (const statement of transaction) await client.query(statement);
  } catch {
    await client.query('ROLLBACK');
  }
}
