/**
 * Scripts for each access method, what needs two sessions, databases, tablespaces, and random clients at last.
 *
 * A statement of a script that fails ends the run: scripts are written to succeed. Random statements may fail.
 */
import { Refusal } from '@neon/kernel';
import type { PostgresMajor } from '@neon/postgres';
import type { Client } from 'pg';
import type { OracleCluster } from '../oracle-cluster';
import { btreeScript } from '../workload/btree-script';
import { concurrentScript, manyMultixacts, type SessionStep } from '../workload/concurrent-script';
import { databaseScript, insideDatabaseStatements } from '../workload/database-script';
import { heapScript } from '../workload/heap-script';
import { brinScript, genericScript, ginScript, gistScript, hashScript, spgistScript } from '../workload/index-scripts';
import { randomSchema, randomTransactions } from '../workload/random-workload';
import type { Script } from '../workload/script';
import { tablespaceStatements } from '../workload/tablespace-script';
import type { Scenario, ScenarioContext } from './scenario';

const INDEX_SCRIPTS: readonly Script[] = [hashScript, ginScript, gistScript, spgistScript, brinScript, genericScript];

export const scripts: Scenario = {
  name: 'scripts',
  async run(cluster, context) {
    cluster.record();
    await cluster.start();
    await cluster.session(async (client) => {
      for (const each of [heapScript, btreeScript, ...INDEX_SCRIPTS]) {
        context.report(`script ${each.name}`);
        await runScript(client, each);
      }
      context.report('script with two sessions');
      await runSteps(cluster, concurrentScript);
      await runSteps(cluster, manyMultixacts);
      context.report('databases and tablespaces');
      await runDatabases(cluster, client, context.major);
      await runScript(client, { name: 'tablespace', statements: tablespaceStatements(cluster.folder('space')) });
      await runRandom(cluster, client, context);
      await client.query('VACUUM');
    });
    await cluster.stop();
  },
};

/** Pages come as images the first time they change after a checkpoint, here: redo must take up from there. */
async function runRandom(
  cluster: OracleCluster,
  client: Client,
  { seed, size, report }: ScenarioContext,
): Promise<void> {
  await client.query('ALTER SYSTEM SET full_page_writes = on');
  await client.query('SELECT pg_reload_conf()');
  await client.query('CHECKPOINT');
  report(`${size.clients} clients, ${size.transactionsPerClient} random transactions each`);
  for (const statement of randomSchema) await client.query(statement);
  const clients = Array.from({ length: size.clients }, (_, number) =>
    cluster.session(async (each) => {
      await each.query(`SET lock_timeout = '500ms'`);
      for (const transaction of randomTransactions(seed, number, size.transactionsPerClient))
        await attempt(each, transaction);
    }),
  );
  await Promise.all(clients);
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

async function runDatabases(cluster: OracleCluster, client: Client, major: PostgresMajor): Promise<void> {
  await runScript(client, databaseScript(major));
  const inside = (database: string, first: boolean): Promise<void> =>
    cluster.session(
      (own) => runScript(own, { name: `inside database ${database}`, statements: insideDatabaseStatements({ first }) }),
      database,
    );
  await inside('logged', true);
  await inside('copied', true);
  await client.query(`CREATE DATABASE again TEMPLATE logged${major > 14 ? ' STRATEGY file_copy' : ''}`);
  await inside('again', false);
}

/** Steps of two sessions, one after the other. */
export async function runSteps(cluster: OracleCluster, steps: readonly SessionStep[]): Promise<void> {
  const sessions = { a: await cluster.connect(), b: await cluster.connect() };
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
