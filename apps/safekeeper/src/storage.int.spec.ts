/**
 * One safekeeper in a process of its own: killed, filled, trimmed, and read by Postgres' own tools.
 *
 * @long
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_TIMING, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, TenantId, TimelineId } from '@neon/kernel';
import { SafekeeperStatus, TimelineDetail } from '@neon/safekeeper-contract';
import { ProposerClient } from './testing/proposer-client';
import { type RealWal, makeRealWal } from './testing/real-wal';
import { SafekeeperProcess, Surroundings } from './testing/safekeeper-process';
import { WalReader } from './testing/wal-reader';

const ID = SafekeeperId.of(1);
const TENANT = TenantId.parse('aa'.repeat(16));
const TIMELINE = TimelineId.parse('bb'.repeat(16));
const SEGMENT_SIZE = 16 * 1024 * 1024;
/** As Debian has it; npm's Postgres comes without. */
const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
const STATEMENTS = [
  'CREATE TABLE t (id bigserial PRIMARY KEY, filler text)',
  'INSERT INTO t (filler) SELECT repeat(md5(i::text), 8) FROM generate_series(1, 100000) i',
  'UPDATE t SET filler = filler || id WHERE id % 3 = 0',
];

describe('a safekeeper process', () => {
  const root = mkdtempSync(join(tmpdir(), 'safekeeper-storage-'));
  let surroundings: Surroundings;
  let wal: RealWal;
  let dataDir: string;
  let running: SafekeeperProcess | undefined;
  let count = 0;

  beforeAll(async () => {
    surroundings = await Surroundings.start(root);
    wal = await makeRealWal(STATEMENTS);
    expect(wal.bytes.length).toBeGreaterThan(3 * SEGMENT_SIZE);
  });
  afterAll(async () => {
    await surroundings.stop();
    rmSync(root, { recursive: true, force: true });
  });

  beforeEach(() => {
    dataDir = join(root, String(++count));
  });
  afterEach(async () => {
    await running?.end('SIGTERM');
    running = undefined;
  });

  async function start(env: Record<string, string> = {}): Promise<SafekeeperProcess> {
    const ports = running?.ports;
    running = await SafekeeperProcess.start(surroundings, { dataDir, env, ...(ports === undefined ? {} : { ports }) });
    return running;
  }

  const management = (method: string, path: string, body?: unknown): Promise<unknown> =>
    surroundings.management(running?.ports.httpPort, method, path, body);

  const PATH = `/v1/tenants/${TENANT}/timelines/${TIMELINE}`;
  const detail = async (): Promise<TimelineDetail> => TimelineDetail.parse(await management('GET', PATH));
  const status = async (): Promise<SafekeeperStatus> => SafekeeperStatus.parse(await management('GET', '/v1/status'));
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${running?.ports.httpPort}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:{.*})? (.*)$`, 'm').exec(text)?.[1]);
  };

  async function createTimeline(of = wal): Promise<void> {
    const { incarnation } = await status();
    const { pgMajor, systemId } = of;
    const startLsn = Lsn.format(of.startLsn);
    await management('PUT', PATH, { pgMajor, systemId, walSegmentSize: SEGMENT_SIZE, startLsn, incarnation });
  }

  async function propose(of = wal): Promise<ProposerClient> {
    const token = await surroundings.issuer.issue({ scope: 'timeline', tenantId: TENANT, timelineId: TIMELINE });
    const identity = {
      tenantId: TENANT,
      timelineId: TIMELINE,
      pgMajor: of.pgMajor,
      systemId: of.systemId,
      walSegmentSize: SEGMENT_SIZE,
    };
    const config = { identity, membership: Membership.founding(1), safekeepers: [ID], token, timing: DEFAULT_TIMING };
    return new ProposerClient(config, new Map([[ID, running?.ports.proposerPort ?? 0]]));
  }

  const from = (lsn: Lsn): Buffer => wal.bytes.subarray(lsn - wal.startLsn);

  async function reader(startLsn: Lsn): Promise<WalReader> {
    const opened = await WalReader.open({
      port: running?.ports.replicationPort ?? 0,
      settings: `-c tenant_id=${TENANT} -c timeline_id=${TIMELINE}`,
      token: await surroundings.issuer.issue({ scope: 'storage' }),
    });
    await opened.start(startLsn);
    return opened;
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; !(await condition()); attempt++) {
      if (attempt > 1200) throw new Error(`it did not happen in time: ${running?.log().slice(-2_000)}`);
      await sleep(50);
    }
  }

  test('that is killed at any moment under load has everything that it acknowledged', async () => {
    await start();
    await createTimeline();
    let acknowledged = wal.startLsn;
    for (let round = 0; round < 8; round++) {
      const proposer = await propose();
      const startLsn = await proposer.recovered();
      expect(startLsn).toBeGreaterThanOrEqual(acknowledged);
      const writing = proposer.write(startLsn, from(startLsn)).catch(() => undefined);
      await proposer.until(() => proposer.commitLsn > startLsn || startLsn === wal.endLsn);
      await sleep(Math.random() * 60);
      await running?.end('SIGKILL');
      acknowledged = proposer.commitLsn;
      proposer.close();
      await writing;
      await start();
      expect(Lsn.parse((await detail()).flushLsn)).toBeGreaterThanOrEqual(acknowledged);
    }
    expect(acknowledged).toBeGreaterThan(wal.startLsn);
    const proposer = await propose();
    const startLsn = await proposer.recovered();
    await proposer.write(startLsn, from(startLsn));
    await proposer.committed(wal.endLsn);
    const all = await reader(wal.startLsn);
    expect((await all.read(wal.startLsn, wal.endLsn)).equals(wal.bytes)).toBe(true);
    all.close();
    proposer.close();
  });

  test('trims what the pageserver has, over a restart, and tells a reader who comes too late', async () => {
    await start({ NEON_UNARCHIVED_WAL: 'trimmed' });
    await createTimeline();
    const proposer = await propose();
    await proposer.recovered();
    await proposer.write(wal.startLsn, wal.bytes);
    await proposer.committed(wal.endLsn);
    const pageserver = await reader(wal.startLsn);
    await pageserver.read(wal.startLsn, wal.endLsn);
    expect((await detail()).trimHeldBy).toBe('pageserver');
    const thirdLsn = Lsn.advance(wal.startLsn, 2 * SEGMENT_SIZE);
    pageserver.report(Lsn.advance(thirdLsn, 1000));
    await until(async () => (await detail()).trimmedLsn === Lsn.format(thirdLsn));
    const names = () => readdirSync(join(dataDir, TENANT, TIMELINE)).filter((name) => /^[0-9A-F]{24}$/.test(name));
    await until(() => Promise.resolve(names()[0] === '000000010000000000000003'));
    await until(async () => (await detail()).walBytes === wal.endLsn - thirdLsn);
    await expect(reader(wal.startLsn)).rejects.toThrow(/WAL below 0\/3000000 was removed from this safekeeper/);
    const late = await reader(thirdLsn);
    expect((await late.read(thirdLsn, wal.endLsn)).equals(from(thirdLsn))).toBe(true);
    for (const client of [late, pageserver, proposer]) client.close();
    await running?.end('SIGKILL');
    await start();
    expect(await detail()).toMatchObject({ trimmedLsn: Lsn.format(thirdLsn), flushLsn: Lsn.format(wal.endLsn) });
  });

  test('above its limit takes no more WAL, tells the proposer how full it is, and goes on when there is room', async () => {
    await start({ NEON_UNARCHIVED_WAL: 'trimmed', NEON_WAL_BYTES_MAX: String(2 * SEGMENT_SIZE) });
    await createTimeline();
    const proposer = await propose();
    await proposer.recovered();
    const writing = proposer.write(wal.startLsn, wal.bytes);
    await until(async () => (await status()).fullness === 100);
    const { commitLsn } = proposer;
    await sleep(1_500);
    expect(proposer.commitLsn - commitLsn).toBeLessThan(8 * 1024 * 1024);
    expect(proposer.commitLsn - wal.startLsn).toBeLessThan(2 * SEGMENT_SIZE + 256 * 1024);
    expect(proposer.fullness.get(ID)).toBe(100);
    expect(await metric('neon_safekeeper_fullness_ratio')).toBe(1);
    const pageserver = await reader(wal.startLsn);
    const feed = setInterval(() => pageserver.report(proposer.commitLsn), 50);
    await pageserver.read(wal.startLsn, wal.endLsn);
    await writing;
    await proposer.committed(wal.endLsn);
    clearInterval(feed);
    pageserver.close();
    proposer.close();
  });

  const isRoot = process.getuid?.() === 0;
  (isRoot ? test : test.skip)(
    'on a disk that is full says so once, loses nothing, and goes on when there is room',
    async () => {
      mkdirSync(dataDir);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dataDir]);
      try {
        // Without a reserve, so that writes meet the end of the disk.
        await start();
        await createTimeline();
        writeFileSync(join(dataDir, 'ballast'), Buffer.alloc(4 * 1024 * 1024));
        const proposer = await propose();
        await proposer.recovered();
        const writing = proposer.write(wal.startLsn, wal.bytes);
        await until(async () => (await status()).fullness === 100);
        await sleep(2_500);
        const acknowledged = proposer.commitLsn;
        expect(acknowledged - wal.startLsn).toBeLessThan(24 * 1024 * 1024);
        const errors =
          running
            ?.log()
            .split('\n')
            .filter((line) => line.includes('"level":"error"')) ?? [];
        // Without a reserve, a little room is found and used up again once or twice.
        expect(errors.filter((line) => line.includes('ENOSPC')).length).toBeLessThanOrEqual(3);
        expect(errors.filter((line) => line.includes('disk full')).length).toBe(1);
        expect((await status()).disk.freeBytes).toBeLessThan(SEGMENT_SIZE);
        // Half written WAL and control files and all: a restart finds everything that was acknowledged.
        await running?.end('SIGKILL');
        await start();
        expect(Lsn.parse((await detail()).flushLsn)).toBeGreaterThanOrEqual(acknowledged);
        execFileSync('mount', ['-o', 'remount,size=256m', dataDir]);
        await until(async () => (await status()).fullness < 100 && (await status()).failed.length === 0);
        await writing;
        await proposer.committed(wal.endLsn);
        const all = await reader(wal.startLsn);
        expect((await all.read(wal.startLsn, wal.endLsn)).equals(wal.bytes)).toBe(true);
        all.close();
        proposer.close();
        await running?.end('SIGTERM');
      } finally {
        await running?.end('SIGKILL');
        running = undefined;
        execFileSync('umount', ['-l', dataDir]);
      }
    },
  );

  test('with a reserve takes no more WAL before the disk is full, and its votes are still written', async () => {
    await start({ NEON_DISK_FREE_BYTES_MIN: String(Number.MAX_SAFE_INTEGER) });
    await createTimeline();
    const proposer = await propose();
    await proposer.recovered();
    const writing = proposer.write(wal.startLsn, from(wal.startLsn).subarray(0, 100_000)).catch(() => undefined);
    await sleep(300);
    expect(proposer.commitLsn).toBe(wal.startLsn);
    expect(await detail()).toMatchObject({ term: 1, flushLsn: Lsn.format(wal.startLsn), fullness: 100 });
    proposer.close();
    await writing;
  });

  test('takes WAL although NATS has been away since before it started, and ends when told to', async () => {
    await start({ NEON_NATS_URL: 'nats://127.0.0.1:1' });
    await createTimeline(wal);
    const proposer = await propose(wal);
    await proposer.recovered();
    await proposer.write(wal.startLsn, wal.bytes);
    await proposer.committed(wal.endLsn);
    proposer.close();
    expect(running?.log()).toContain('NATS at nats://127.0.0.1:1 does not answer');
  });

  (existsSync(WALDUMP) ? test : test.skip)(
    "keeps WAL in files that Postgres' own pg_waldump reads, record for record",
    async () => {
      const older = await makeRealWal([...STATEMENTS, 'SELECT pg_switch_wal()', 'CREATE TABLE u AS TABLE t'], 15);
      await start();
      await createTimeline(older);
      const proposer = await propose(older);
      await proposer.recovered();
      await proposer.write(older.startLsn, older.bytes);
      await proposer.committed(older.endLsn);
      proposer.close();
      const stats = execFileSync(
        WALDUMP,
        [
          '-p',
          join(dataDir, TENANT, TIMELINE),
          '-s',
          Lsn.format(older.startLsn),
          '-e',
          Lsn.format(older.endLsn),
          '--stats',
        ],
        { encoding: 'utf8' },
      );
      expect(stats).toMatch(/Heap .*\n/);
      expect(stats).toMatch(/^Total +[1-9]\d{4,}/m);
      // Past the end of the log there is nothing that looks like a record.
      const tail = execFileSync(
        'sh',
        ['-c', `${WALDUMP} -p ${join(dataDir, TENANT, TIMELINE)} -s ${Lsn.format(older.startLsn)} 2>&1 | tail -1`],
        { encoding: 'utf8' },
      );
      expect(tail).toMatch(
        new RegExp(`error in WAL record at .*: invalid record length at ${Lsn.format(older.endLsn)}: wanted 24, got 0`),
      );
    },
  );
});
