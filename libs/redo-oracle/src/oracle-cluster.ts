/**
 * The stock Postgres that writes the WAL: one cluster, which a scenario starts and stops as it likes.
 *
 *   K1  `record` copies the data directory, which must be cold: what the server logs from there on is what is replayed.
 *   K2  Everything is logged with page images to check by, and no WAL is recycled.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@neon/free-port';
import {
  BOOTSTRAP_SUPERUSER,
  initCluster,
  postgresUser,
  startPostgres,
  type Distribution,
  type PostgresServer,
  type PostgresUser,
} from '@neon/postgres-server';
import { Client } from 'pg';

export type ServerSettings = Readonly<Record<string, string>>;

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 300_000;

/** K2. Parameters that a running server is to change are in its file, since the command line would override that. */
const SETTINGS: ServerSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  autovacuum: 'off',
  shared_buffers: '128MB',
  max_connections: '50',
  max_wal_size: '200GB',
  wal_keep_size: '200GB',
  checkpoint_timeout: '1d',
  wal_level: 'logical',
  wal_consistency_checking: 'all',
  max_prepared_transactions: '20',
  track_commit_timestamp: 'on',
  logging_collector: 'off',
  log_min_messages: 'panic',
};

export class OracleCluster {
  private server: PostgresServer | null = null;
  port = 0;

  private constructor(
    readonly distribution: Distribution,
    readonly user: PostgresUser | null,
    private readonly workDir: string,
  ) {}

  /** Runs initdb in `workDir`, which is made when it is not there. */
  static async create(distribution: Distribution, workDir: string): Promise<OracleCluster> {
    const cluster = new OracleCluster(distribution, postgresUser(), workDir);
    mkdirSync(workDir, { recursive: true });
    cluster.giveAway(workDir);
    await initCluster(distribution, cluster.dataDir, cluster.user);
    appendFileSync(join(cluster.dataDir, 'postgresql.conf'), 'full_page_writes = off\n');
    return cluster;
  }

  get dataDir(): string {
    return join(this.workDir, 'data');
  }

  /** The data directory as it was when recording began. */
  get baseDir(): string {
    return join(this.workDir, 'base');
  }

  /** A directory outside of the data directory that the server may write to. */
  folder(name: string): string {
    const path = join(this.workDir, name);
    mkdirSync(path, { recursive: true });
    this.giveAway(path);
    return path;
  }

  /** K1 */
  record(): void {
    if (this.server !== null || existsSync(this.baseDir)) throw new Error('recording begins once, with a cold cluster');
    execFileSync('cp', ['-a', this.dataDir, this.baseDir]);
  }

  async start(settings: ServerSettings = {}): Promise<void> {
    this.port = await freePort();
    this.server = await startPostgres({
      distribution: this.distribution,
      dataDir: this.dataDir,
      user: this.user,
      settings: { ...SETTINGS, port: String(this.port), ...settings },
      logFile: join(this.workDir, 'postgres.log'),
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  /** `fast` ends with a shutdown checkpoint, which writes all pages; `immediate` is a crash. Does nothing when stopped. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.server?.stop(mode, STOP_TIMEOUT_MS);
    this.server = null;
  }

  async connect(database = 'postgres'): Promise<Client> {
    const client = new Client({ host: '127.0.0.1', port: this.port, user: BOOTSTRAP_SUPERUSER, database });
    // A connection that the server ends fails the query under way, and the next one; that is told then.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** One session that ends with `use`. */
  async session<T>(use: (client: Client) => Promise<T>, database = 'postgres'): Promise<T> {
    const client = await this.connect(database);
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  }

  /** Runs statements one after the other in a session of their own. */
  run(statements: readonly string[], database = 'postgres'): Promise<void> {
    return this.session(async (client) => {
      for (const statement of statements) await client.query(statement);
    }, database);
  }

  /** Makes the server's user the owner of a file or directory. */
  giveAway(path: string): void {
    if (this.user !== null) chownSync(path, this.user.uid, this.user.gid);
  }
}
