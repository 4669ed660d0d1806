/**
 * What is run on the project's compute, and the moments noted meanwhile.
 *
 *   N1  The compute is suspended and woken between parts of the run: what one incarnation wrote, the next one reads as pages
 *       that our redo made, and goes on writing on top of them.
 *   N2  A server that ends unasked fails the run.
 *   N3  One noted moment has a transaction that had written and not ended, and one that was prepared and not ended.
 */
import { Lsn } from '@neon/kernel';
import {
  makeRandomTables,
  runRandomClients,
  runScripts,
  type WorkloadServer,
  type WorkloadSize,
} from '@neon/redo-oracle';
import type { PostgresMajor } from '@neon/postgres';
import { BOOTSTRAP_SUPERUSER } from '@neon/postgres-server';
import { Client } from 'pg';
import type { Installation } from '../../installation';
import { CommandFailure, say, step } from '../../progress';
import { type LocalCompute, computeOf } from '../local-compute';
import { type Mark, mark, sampled } from './marks';
import { type RegressionSuite, makeRegressionDatabase, runGroup } from './regression';

export interface RunOptions {
  readonly installation: Installation;
  readonly projectId: string;
  readonly endpointId: string;
  readonly major: PostgresMajor;
  readonly seed: number;
  readonly size: WorkloadSize;
  readonly regression: { readonly suite: RegressionSuite; readonly outputDir: string } | null;
}

export interface Run {
  readonly named: readonly Mark[];
  readonly samples: readonly Mark[];
  readonly compute: Pick<LocalCompute, 'tenantId' | 'timelineId'>;
}

const DATABASE = 'history';

export class Running {
  readonly named: Mark[] = [];
  readonly samples: Mark[] = [];

  private constructor(
    private readonly options: RunOptions,
    private compute: LocalCompute,
  ) {}

  static async all(options: RunOptions): Promise<Run> {
    const running = new Running(options, await wokenCompute(options));
    await running.scripts();
    await running.randomClients();
    if (options.regression !== null) await running.regression(options.regression);
    await running.end();
    const { tenantId, timelineId } = running.compute;
    return { named: running.named, samples: running.samples, compute: { tenantId, timelineId } };
  }

  private async scripts(): Promise<void> {
    await step('running a script for each access method', async () => {
      await this.compute.withAdmin('postgres', (client) => client.query(`CREATE DATABASE ${DATABASE}`));
      let what = '';
      await this.sampling(
        () => what,
        () => runScripts(this.server(), { major: this.options.major, report: (line) => (what = line) }),
      );
    });
    await this.restart();
  }

  private async randomClients(): Promise<void> {
    const { seed, size } = this.options;
    await step(`running ${size.clients} clients with ${size.transactionsPerClient} random transactions each`, () =>
      this.sampling(
        () => 'random transactions',
        async () => {
          await makeRandomTables(this.server());
          await runRandomClients(this.server(), { seed, size });
        },
      ),
    );
    await this.openTransactions();
    await this.restart();
  }

  /** N3. Ends with the sessions: one is rolled back, the other one committed later. */
  private async openTransactions(): Promise<void> {
    const [open, prepared] = [await this.server().connect(), await this.server().connect()];
    try {
      await open.query('BEGIN; CREATE TABLE history_unfinished AS SELECT g FROM generate_series(1, 5000) g');
      await open.query('UPDATE hot SET n = n + 1000 WHERE k < 20');
      await prepared.query(
        'BEGIN; CREATE TABLE history_pending (k int PRIMARY KEY); INSERT INTO history_pending VALUES (1), (2)',
      );
      await prepared.query('UPDATE hot SET n = n + 1000 WHERE k > 180; DELETE FROM mixed WHERE k < 500');
      await prepared.query("PREPARE TRANSACTION 'pending'");
      this.named.push(await this.markNow('an unfinished and a prepared transaction'));
      await prepared.query("COMMIT PREPARED 'pending'");
    } finally {
      await open.end();
      await prepared.end();
    }
  }

  private async regression({ suite, outputDir }: NonNullable<RunOptions['regression']>): Promise<void> {
    await makeRegressionDatabase(this.compute);
    let [scripts, errors, broken] = [0, 0, 0];
    for (const group of suite.groups) {
      const active = new Set(group);
      await step(
        `regression scripts ${group.slice(0, 4).join(' ')}${group.length > 4 ? ` and ${group.length - 4} more` : ''}`,
        () =>
          this.sampling(
            () => `regression scripts: ${[...active].slice(0, 4).join(', ')}`,
            () =>
              runGroup(group, {
                suite,
                compute: this.compute,
                outputDir,
                onScript: (name, run) => {
                  active.delete(name);
                  scripts += 1;
                  errors += run.errors;
                  if (run.exitCode !== 0) {
                    broken += 1;
                    say(`    ${name}: psql ended with ${run.exitCode}`);
                  }
                },
              }),
          ),
      );
      await this.restart();
    }
    say(`  ${scripts} regression scripts, ${errors} statements failed, ${broken} scripts broken off`);
  }

  private async end(): Promise<void> {
    this.named.push(await this.markNow('the end'));
    // Recovery goes up to a record that begins at or beyond its target.
    await this.compute.withAdmin('postgres', (client) => client.query("SELECT pg_logical_emit_message(true, '', '')"));
    await this.suspend();
  }

  /** The newest commit boundary there is: an ordinary commit makes one that a branch starts at exactly. */
  private markNow(what: string): Promise<Mark> {
    return this.compute.withAdmin('postgres', async (client) => {
      await client.query("SELECT pg_logical_emit_message(true, 'history', '')");
      return mark(client, what);
    });
  }

  private server(): WorkloadServer {
    return {
      connect: async (database = DATABASE) => {
        const client = new Client({ ...this.compute.socket, user: BOOTSTRAP_SUPERUSER, database });
        client.on('error', () => undefined);
        await client.connect();
        return client;
      },
    };
  }

  private async sampling(what: () => string, run: () => Promise<void>): Promise<void> {
    const client = await this.server().connect('postgres');
    try {
      await sampled({ client, what, marks: this.samples }, run);
    } catch (error) {
      this.requireAlive(what());
      throw error;
    } finally {
      await client.end();
    }
    this.requireAlive(what());
  }

  /** N2. */
  private requireAlive(what: string): void {
    try {
      process.kill(this.compute.pid, 0);
    } catch {
      throw new CommandFailure(`Postgres ended during: ${what}. Its last words are in ./neon logs`);
    }
  }

  private async suspend(): Promise<void> {
    const { installation, projectId, endpointId } = this.options;
    await installation.api.suspend(projectId, endpointId);
  }

  /** N1. */
  private async restart(): Promise<void> {
    await this.suspend();
    this.compute = await wokenCompute(this.options);
  }
}

/** The compute, woken as a client would. */
async function wokenCompute({ installation, projectId, endpointId }: RunOptions): Promise<LocalCompute> {
  const url = new URL(await installation.api.connectionUri(projectId));
  const client = new Client({
    host: '127.0.0.1',
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
    ssl: { rejectUnauthorized: false, servername: url.hostname },
  });
  await client.connect();
  await client.end();
  return computeOf(installation, endpointId);
}

export const lastLsn = ({ named, samples }: Run): Lsn =>
  Lsn.of(Math.max(...[...named, ...samples].map(({ lsn }) => lsn)));
