/** The tables of a chaos run, and one session's operations on them. */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { Client } from 'pg';
import { ACCOUNTS, type Books, OPENING_BALANCE, type Transfer } from './ledger';

export interface Address {
  readonly host: string;
  readonly uri: string;
  readonly caFile: string;
}

/** Longer than any fault: most waits end well. */
const ANSWER_TIMEOUT_MS = 45_000;
const CONNECT_TIMEOUT_MS = 20_000;

/** A connection through the proxy over TLS, the certificate verified. */
export class Session {
  private constructor(
    private readonly client: Client,
    private readonly socket: Socket,
  ) {}

  static async open({ host, uri, caFile }: Address): Promise<Session> {
    const url = new URL(uri);
    const socket = new Socket();
    const client = new Client({
      host,
      port: Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: url.pathname.slice(1),
      ssl: { ca: readFileSync(caFile, 'utf8'), servername: url.hostname },
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      stream: () => socket,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return new Session(client, socket);
  }

  async rows(sql: string, values: readonly number[] = []): Promise<Record<string, unknown>[]> {
    return (await this.client.query<Record<string, unknown>>(sql, [...values])).rows;
  }

  /** All but the COMMIT. */
  async beginTransfer({ id, source, target, amount }: Transfer): Promise<void> {
    await this.client.query('BEGIN');
    await this.client.query('INSERT INTO transfer VALUES ($1, $2, $3, $4)', [id, source, target, amount]);
    await this.client.query('UPDATE account SET balance = balance - $2 WHERE id = $1', [source, amount]);
    await this.client.query('UPDATE account SET balance = balance + $2 WHERE id = $1', [target, amount]);
  }

  async commit(): Promise<void> {
    const { command } = await this.client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error(`COMMIT was answered with ${command}`);
  }

  async rollback(): Promise<void> {
    await this.client.query('ROLLBACK');
  }

  async write(key: number, value: number): Promise<void> {
    await this.client.query('UPDATE register SET value = $2 WHERE key = $1', [key, value]);
  }

  /** A read that commits, and so is one of the timeline's present, not of a compute that another has replaced. */
  async read(key: number): Promise<number> {
    return numberIn(
      await this.rows('UPDATE register SET reads = reads + 1 WHERE key = $1 RETURNING value', [key]),
      'value',
    );
  }

  async readPlainly(key: number): Promise<number> {
    return numberIn(await this.rows('SELECT value FROM register WHERE key = $1', [key]), 'value');
  }

  close(): void {
    this.socket.destroy();
  }
}

function numberIn([row]: readonly Record<string, unknown>[], column: string): number {
  const value = Number(row?.[column]);
  if (row === undefined || Number.isNaN(value)) throw new Error(`no row with ${column}`);
  return value;
}

/** Identifiers are unique in what clients do, not by the tables: else a transfer could not be there twice. */
export async function createTables(session: Session): Promise<void> {
  await session.rows('CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)');
  await session.rows('CREATE TABLE transfer (id bigint NOT NULL, source int, target int, amount int)');
  await session.rows('CREATE INDEX ON transfer (id)');
  await session.rows('CREATE TABLE ballast (n int, filler text)');
  await session.rows('CREATE TABLE register (key int PRIMARY KEY, value bigint NOT NULL, reads bigint NOT NULL)');
  await session.rows('INSERT INTO account SELECT n, $1::int FROM generate_series(1, $2::int) n', [
    OPENING_BALANCE,
    ACCOUNTS,
  ]);
}

export async function addRegisters(session: Session, keys: readonly number[]): Promise<void> {
  for (const key of keys) await session.rows('INSERT INTO register VALUES ($1, 0, 0)', [key]);
}

export async function readBooks(session: Session): Promise<Books> {
  const transfers = await session.rows('SELECT id, source, target, amount FROM transfer');
  const balances = await session.rows('SELECT id, balance FROM account');
  const number = (row: Record<string, unknown>, column: string): number => numberIn([row], column);
  return {
    transfers: transfers.map((row) => ({
      id: number(row, 'id'),
      source: number(row, 'source'),
      target: number(row, 'target'),
      amount: number(row, 'amount'),
    })),
    balances: new Map(balances.map((row) => [number(row, 'id'), number(row, 'balance')])),
  };
}
