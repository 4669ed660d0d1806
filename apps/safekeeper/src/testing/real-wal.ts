/** WAL that a real Postgres wrote, for tests: from the beginning of its first segment to the end of its last record. */
import { mkdtempSync, readFileSync, rmSync, chmodSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '@neon/free-port';
import { Lsn, SystemId } from '@neon/kernel';
import { DEFAULT_WAL_SEGMENT_SIZE, type PostgresMajor, WalBoundaryTracker, WalError } from '@neon/postgres';
import {
  BOOTSTRAP_SUPERUSER,
  distributionOf,
  findDistributions,
  initCluster,
  packagedPostgres,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { Client } from 'pg';

export interface RealWal {
  readonly pgMajor: PostgresMajor;
  readonly systemId: SystemId;
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  /** Of `[startLsn, endLsn)`. */
  readonly bytes: Buffer;
}

export async function makeRealWal(statements: readonly string[], major: PostgresMajor = 17): Promise<RealWal> {
  const found = findDistributions(packagedPostgres(resolve(__dirname, '../../../..')), { debian: true });
  const distribution = distributionOf(found, major);
  const parent = mkdtempSync(join(tmpdir(), 'real-wal-'));
  chmodSync(parent, 0o777);
  const dataDir = join(parent, 'data');
  const user = postgresUser(undefined);
  try {
    await initCluster(distribution, dataDir, user);
    const port = await freePort();
    const settings = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: 'off',
      // The shutdown checkpoint would recycle the first segments.
      wal_keep_size: '1GB',
    };
    const logFile = join(parent, 'log');
    const server = await startPostgres({ distribution, dataDir, user, settings, logFile, timeoutMs: 60_000 });
    const client = new Client({ host: '127.0.0.1', port, user: BOOTSTRAP_SUPERUSER, database: 'postgres' });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
    await server.stop('fast', 60_000);
    return readWal(dataDir, major);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

function readWal(dataDir: string, major: PostgresMajor): RealWal {
  const directory = join(dataDir, 'pg_wal');
  const names = readdirSync(directory)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();
  const all = Buffer.concat(names.map((name) => readFileSync(join(directory, name))));
  const startLsn = Lsn.of(DEFAULT_WAL_SEGMENT_SIZE);
  const tracker = new WalBoundaryTracker({ major, startLsn, segmentSize: DEFAULT_WAL_SEGMENT_SIZE });
  try {
    tracker.push(all);
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
  }
  const { endLsn } = tracker;
  const systemId = SystemId.fromBigInt(all.readBigUInt64LE(24));
  return { pgMajor: major, systemId, startLsn, endLsn, bytes: all.subarray(0, endLsn - startLsn) };
}
