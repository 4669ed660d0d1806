/**
 * The reference: a stock server that starts from the same cluster and replays the same WAL up to exactly one LSN.
 *
 *   F1  Every record that begins below the LSN is replayed by Postgres itself and none that begins at or above it
 *       (recovery_target_inclusive = off). When the WAL ends before, the server refuses to start.
 *   F2  Transactions that had not ended there are gone, prepared ones are pending, unlogged relations are empty, as on a
 *       compute that starts there.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { type Distribution, type PostgresUser, startPostgres } from '@neon/postgres-server';
import type { PgSettings } from '../../api';
import { step } from '../../progress';
import type { Copy } from './copy';

export interface ReferenceOptions {
  readonly distribution: Distribution;
  readonly user: PostgresUser | null;
  /** What the timeline was imported from. */
  readonly clusterDir: string;
  readonly archiveDir: string;
  readonly workDir: string;
  /** Those of the project. */
  readonly settings: PgSettings;
}

const RECOVERY_TIMEOUT_MS = 1_800_000;
const STOP_TIMEOUT_MS = 10_000;
/** The socket's name; nobody listens there over TCP. */
const PORT = 5432;

/** Runs `use` with the server at `lsn`, and leaves nothing behind. */
export async function withReference<T>(
  { distribution, user, clusterDir, archiveDir, workDir, settings }: ReferenceOptions,
  lsn: Lsn,
  use: (copy: Copy) => Promise<T>,
): Promise<T> {
  const root = join(workDir, `reference-${lsn.toString(16)}`);
  const [dataDir, socketDir] = [join(root, 'data'), join(root, 'socket')];
  for (const path of [root, socketDir]) {
    mkdirSync(path, { mode: 0o700 });
    if (user !== null) chownSync(path, user.uid, user.gid);
  }
  execFileSync('cp', ['-a', clusterDir, dataDir]);
  writeFileSync(join(dataDir, 'recovery.signal'), '');
  try {
    const server = await step('recovering a stock server to the same LSN', () =>
      startPostgres({
        distribution,
        dataDir,
        user,
        settings: {
          ...settings,
          listen_addresses: '',
          unix_socket_directories: socketDir,
          unix_socket_permissions: '0700',
          port: String(PORT),
          restore_command: `cp "${archiveDir}/%f" "%p"`,
          recovery_target_lsn: Lsn.format(lsn),
          recovery_target_inclusive: 'off',
          recovery_target_action: 'promote',
          hot_standby: 'off',
          fsync: 'off',
          full_page_writes: 'off',
          autovacuum: 'off',
          shared_buffers: '256MB',
          max_wal_size: '8GB',
          logging_collector: 'off',
        },
        logFile: join(root, 'postgres.log'),
        timeoutMs: RECOVERY_TIMEOUT_MS,
      }),
    );
    try {
      return await use({ name: 'reference', major: distribution.major, socket: { host: socketDir, port: PORT } });
    } finally {
      await server.stop('immediate', STOP_TIMEOUT_MS);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
