/** A plain Postgres whose WAL is given to safekeepers as it writes it, and copies of it that follow them: for tests. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@neon/free-port';
import { Lsn, SystemId } from '@neon/kernel';
import { ControlFile, DEFAULT_WAL_SEGMENT_SIZE, WalSegment } from '@neon/postgres';
import {
  BOOTSTRAP_SUPERUSER,
  type Distribution,
  type PostgresServer,
  initCluster,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { Client } from 'pg';
import type { ProposerClient } from './proposer-client';

/** Where the WAL of a fresh cluster begins. */
export const FIRST_LSN = Lsn.of(DEFAULT_WAL_SEGMENT_SIZE);
const TIMEOUT_MS = 60_000;
const PIECE_SIZE = 512 * 1024;
const user = postgresUser(undefined);

export class TestPostgres {
  private server: PostgresServer | undefined;
  private port = 0;

  constructor(
    private readonly distribution: Distribution,
    readonly dataDir: string,
  ) {}

  static async create(distribution: Distribution, dataDir: string): Promise<TestPostgres> {
    await initCluster(distribution, dataDir, user);
    return new TestPostgres(distribution, dataDir);
  }

  get systemId(): SystemId {
    return SystemId.parse(ControlFile.parse(readFileSync(join(this.dataDir, 'global/pg_control'))).systemId);
  }

  get log(): string {
    return readFileSync(`${this.dataDir}.log`, 'utf8');
  }

  async start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    this.port = await freePort();
    const fixed = { port: String(this.port), listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' };
    const { distribution, dataDir } = this;
    const logFile = `${dataDir}.log`;
    const all = { ...fixed, wal_keep_size: '1GB', ...settings };
    this.server = await startPostgres({ distribution, dataDir, user, settings: all, logFile, timeoutMs: TIMEOUT_MS });
  }

  async stop(): Promise<void> {
    await this.server?.stop('fast', TIMEOUT_MS);
    this.server = undefined;
  }

  /** Of one that is stopped: a standby that reads its WAL by `conninfo`. */
  standby(dataDir: string, conninfo: string): TestPostgres {
    // Owners and modes as they are.
    execFileSync('cp', ['-a', this.dataDir, dataDir]);
    writeFileSync(join(dataDir, 'standby.signal'), '');
    const value = conninfo.replaceAll("'", "''");
    writeFileSync(join(dataDir, 'postgresql.auto.conf'), `primary_conninfo = '${value}'\n`);
    return new TestPostgres(this.distribution, dataDir);
  }

  async query<Row extends object>(text: string): Promise<Row[]> {
    const client = new Client({ host: '127.0.0.1', port: this.port, user: BOOTSTRAP_SUPERUSER, database: 'postgres' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async flushLsn(): Promise<Lsn> {
    const [row] = await this.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
    return Lsn.parse(row?.lsn ?? '0/0');
  }
}

/** Gives a proposer what is in pg_wal, from where its term begins. */
export class WalFeed {
  private isStopped = false;
  private readonly ended: Promise<void>;

  constructor(
    private readonly postgres: TestPostgres,
    private readonly proposer: ProposerClient,
  ) {
    this.ended = this.run();
  }

  private async run(): Promise<void> {
    let lsn = await this.proposer.recovered();
    while (!this.isStopped) {
      const endLsn = await this.postgres.flushLsn();
      if (endLsn === lsn) await sleep(20);
      while (lsn < endLsn && !this.isStopped) {
        const bytes = await readWal(join(this.postgres.dataDir, 'pg_wal'), lsn, endLsn);
        await this.proposer.write(lsn, bytes);
        lsn = Lsn.advance(lsn, bytes.length);
      }
    }
  }

  /** The proposer goes too. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.proposer.close();
    await this.ended.catch(() => undefined);
  }
}

async function readWal(directory: string, lsn: Lsn, endLsn: Lsn): Promise<Buffer> {
  const address = { lsn, segmentSize: DEFAULT_WAL_SEGMENT_SIZE };
  const offset = WalSegment.offset(address);
  const size = Math.min(endLsn - lsn, PIECE_SIZE, DEFAULT_WAL_SEGMENT_SIZE - offset);
  const file = await open(join(directory, WalSegment.fileName(address)), 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(size), 0, size, offset);
    return buffer;
  } finally {
    await file.close();
  }
}
