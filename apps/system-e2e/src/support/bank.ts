/**
 * Bank transfers with a memory outside the database: the oracle of durability.
 *
 *   K1  Every transfer whose COMMIT was acknowledged is there afterwards, whatever was killed meanwhile.
 *   K2  The sum over all accounts never changes, and each balance is what the transfers make it.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { connect, withClient } from './system';

const ACCOUNTS = 50;
const OPENING_BALANCE = 1_000;

export class Bank {
  readonly acknowledged: string[] = [];
  private stopping = false;
  private tellers: Promise<void>[] = [];

  constructor(private readonly uri: string) {}

  async open(): Promise<void> {
    await withClient(this.uri, async (client) => {
      await client.query('CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)');
      await client.query(
        'CREATE TABLE transfer (id uuid PRIMARY KEY, source int NOT NULL, target int NOT NULL, amount bigint NOT NULL)',
      );
      await client.query('INSERT INTO account SELECT n, $1 FROM generate_series(1, $2) n', [OPENING_BALANCE, ACCOUNTS]);
    });
  }

  /** Starts `count` clients that transfer until `stop`; one that loses its session connects again. */
  start(count: number): void {
    this.stopping = false;
    this.tellers = Array.from({ length: count }, () => this.serve());
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.tellers);
  }

  private async serve(): Promise<void> {
    while (!this.stopping) {
      const client = await connect(this.uri).catch(() => null);
      if (client === null) await sleep(200);
      else {
        await this.transferUntilBroken(client);
        await client.end().catch(() => undefined);
      }
    }
  }

  private async transferUntilBroken(client: Client): Promise<void> {
    while (!this.stopping) {
      try {
        await this.transfer(client);
      } catch (error) {
        if (!isRetryable(error)) return;
        await client.query('ROLLBACK').catch(() => undefined);
      }
    }
  }

  private async transfer(client: Client): Promise<void> {
    const id = randomUUID();
    const [source, target, amount] = [randomInt(1, ACCOUNTS + 1), randomInt(1, ACCOUNTS + 1), randomInt(1, 20)];
    await client.query('BEGIN');
    await client.query('INSERT INTO transfer VALUES ($1, $2, $3, $4)', [id, source, target, amount]);
    await client.query('UPDATE account SET balance = balance - $2 WHERE id = $1', [source, amount]);
    await client.query('UPDATE account SET balance = balance + $2 WHERE id = $1', [target, amount]);
    await client.query('COMMIT');
    this.acknowledged.push(id);
  }

  /** K1 and K2, as a list of what is wrong. */
  async audit(): Promise<string[]> {
    return withClient(this.uri, async (client) => {
      const problems: string[] = [];
      const { rows: present } = await client.query<{ id: string }>('SELECT id FROM transfer');
      const ids = new Set(present.map((row) => row.id));
      const lost = this.acknowledged.filter((id) => !ids.has(id));
      if (lost.length > 0)
        problems.push(
          `${lost.length} of ${this.acknowledged.length} acknowledged transfers are lost, first ${lost[0]}`,
        );
      const { rows: sums } = await client.query<{ total: string }>('SELECT sum(balance) AS total FROM account');
      if (sums[0]?.total !== String(ACCOUNTS * OPENING_BALANCE)) problems.push(`the total is ${sums[0]?.total}`);
      const { rows: wrong } = await client.query(
        `SELECT a.id FROM account a WHERE balance <> $1
           - coalesce((SELECT sum(amount) FROM transfer WHERE source = a.id), 0)
           + coalesce((SELECT sum(amount) FROM transfer WHERE target = a.id), 0)`,
        [OPENING_BALANCE],
      );
      if (wrong.length > 0) problems.push(`${wrong.length} balances differ from their transfers`);
      return problems;
    });
  }
}

/** Deadlock or serialization failure: the session goes on. */
const isRetryable = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === '40P01' || error.code === '40001');
