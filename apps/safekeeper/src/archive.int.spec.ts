/** Safekeepers in processes of their own, and WAL of a real Postgres, with an archive: trimmed, read back, offloaded, killed. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Lsn } from '@neon/kernel';
import { type RealWal, makeRealWal } from './testing/real-wal';
import { SafekeeperProcess, Surroundings } from './testing/safekeeper-process';
import { SEGMENT_SIZE, TENANT, TIMELINE, TimelineClient } from './testing/timeline-client';

const STATEMENTS = [
  'CREATE TABLE t (id bigserial PRIMARY KEY, filler text)',
  'INSERT INTO t (filler) SELECT repeat(md5(i::text), 8) FROM generate_series(1, 100000) i',
  // Of the segment that this ends, pages have no header.
  'SELECT pg_switch_wal()',
  'UPDATE t SET filler = filler || id WHERE id % 3 = 0',
];

describe('safekeepers with an archive', () => {
  const root = mkdtempSync(join(tmpdir(), 'safekeeper-archive-'));
  let surroundings: Surroundings;
  let wal: RealWal;
  let client: TimelineClient;
  let objects: string;
  let lastLsn: Lsn;
  const running = new Map<number, SafekeeperProcess>();
  let count = 0;

  beforeAll(async () => {
    surroundings = await Surroundings.start(root);
    wal = await makeRealWal(STATEMENTS);
    client = new TimelineClient(surroundings, wal);
    lastLsn = Lsn.of(wal.endLsn - (wal.endLsn % SEGMENT_SIZE));
    expect(lastLsn - wal.startLsn).toBeGreaterThan(2 * SEGMENT_SIZE);
  });
  afterAll(async () => {
    await surroundings.stop();
    rmSync(root, { recursive: true, force: true });
  });

  beforeEach(() => {
    objects = join(root, `objects-${++count}`);
    mkdirSync(objects);
  });
  afterEach(async () => {
    await Promise.all([...running.values()].map((each) => each.end('SIGTERM')));
    running.clear();
  });

  const dataDirOf = (id: number): string => join(root, `${count}-${id}`);
  const timelineDirOf = (id: number): string => join(dataDirOf(id), TENANT, TIMELINE);
  const segmentsOf = (id: number): string[] =>
    readdirSync(timelineDirOf(id)).filter((name) => /^[0-9A-F]{24}$/.test(name));

  async function start(id: number, env: Record<string, string> = {}): Promise<SafekeeperProcess> {
    const ports = running.get(id)?.ports;
    const started = await SafekeeperProcess.start(surroundings, {
      dataDir: dataDirOf(id),
      env: { NEON_SAFEKEEPER_ID: String(id), NEON_OBJECT_STORE_URL: pathToFileURL(objects).href, ...env },
      ...(ports === undefined ? {} : { ports }),
    });
    running.set(id, started);
    return started;
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; !(await condition()); attempt++) {
      if (attempt > 1800)
        throw new Error(`it did not happen in time: ${[...running.values()][0]?.log().slice(-2_000)}`);
      await sleep(50);
    }
  }

  /** The pageserver has got everything, and says so. */
  async function pageserverHasAll(of: SafekeeperProcess): Promise<void> {
    const pageserver = await client.reader(of);
    await pageserver.read(wal.startLsn, wal.endLsn);
    pageserver.report(wal.endLsn);
    await until(async () => (await client.detail(of)).remoteConsistentLsn === Lsn.format(wal.endLsn));
    pageserver.close();
  }

  const isTrimmed = async (of: SafekeeperProcess): Promise<boolean> =>
    (await client.detail(of)).trimmedLsn === Lsn.format(lastLsn);

  test('have WAL removed from all three disks, and every byte of it for whoever reads from 0, when one disk is lost', async () => {
    const all = await Promise.all([1, 2, 3].map((id) => start(id)));
    for (const each of all) await client.create(each);
    // Killed wherever it is, over and over, while it writes and archives.
    for (let round = 0; round < 4; round++) {
      const writing = client.propose(all).then(async (proposer) => {
        const startLsn = await proposer.recovered();
        const offset = startLsn - wal.startLsn;
        await proposer.write(startLsn, wal.bytes.subarray(offset, offset + SEGMENT_SIZE));
        proposer.close();
      });
      await sleep(300 + Math.random() * 600);
      const victim = 1 + (round % 3);
      await running.get(victim)?.end('SIGKILL');
      all[victim - 1] = await start(victim);
      await writing;
    }
    await client.write(all);
    // A leader that commits nothing more tells everybody what all of them have.
    const proposer = await client.propose(all);
    await proposer.recovered();
    await proposer.committed(wal.endLsn);
    await pageserverHasAll(all[0]!);
    for (const each of all) await until(() => isTrimmed(each));
    proposer.close();
    for (const id of [1, 2, 3]) await until(() => Promise.resolve(segmentsOf(id).length <= 2));
    await running.get(2)?.end('SIGKILL');
    running.delete(2);
    rmSync(dataDirOf(2), { recursive: true });
    for (const each of [all[0]!, all[2]!]) expect(await client.readsEverything(each)).toBe(true);
    // All of them put each segment as often as they did: there is one of each.
    const names = readdirSync(join(objects, 'wal', TENANT, TIMELINE, 'segments'));
    expect(names).toHaveLength((lastLsn - wal.startLsn) / SEGMENT_SIZE);
  });

  test('that are idle leave the disk and come back, killed at any moment', async () => {
    const offloadAfter = { NEON_OFFLOAD_AFTER_SECONDS: '0.3' };
    let only = await start(1, offloadAfter);
    await client.create(only);
    await client.write([only]);
    const isOffloaded = async (): Promise<boolean> => (await client.detail(only)).offloaded;
    await until(isOffloaded);
    await until(() => Promise.resolve(segmentsOf(1).length === 0));
    for (let round = 0; round < 6; round++) {
      // A proposer is there, and goes; somewhere between, and while it leaves the disk again, the process is killed.
      const proposer = await client.propose([only]);
      expect(await proposer.recovered()).toBe(wal.endLsn);
      proposer.close();
      await sleep(Math.random() * 800);
      await running.get(1)?.end('SIGKILL');
      only = await start(1, offloadAfter);
      expect((await client.detail(only)).flushLsn).toBe(Lsn.format(wal.endLsn));
    }
    expect(await client.readsEverything(only)).toBe(true);
    await until(isOffloaded);
    expect(await client.readsEverything(only)).toBe(true);
    await until(isOffloaded);
    await until(() => Promise.resolve(readdirSync(join(objects, 'wal', TENANT, TIMELINE, 'tails')).length === 1));
    await client.delete(only);
    await until(() => Promise.resolve(readdirSync(objects).every((name) => name.startsWith('~'))));
  });

  test('whose store is away keep WAL, say so, and go on when it is back', async () => {
    rmSync(objects, { recursive: true });
    const only = await start(1);
    await client.create(only);
    await client.write([only]);
    const proposer = await client.propose([only]);
    await proposer.recovered();
    await proposer.committed(wal.endLsn);
    await pageserverHasAll(only);
    await until(() => Promise.resolve(only.log().includes('archive failed')));
    expect(await client.detail(only)).toMatchObject({
      trimHeldBy: 'archive',
      archivedLsn: Lsn.format(wal.startLsn),
      trimmedLsn: Lsn.format(wal.startLsn),
    });
    mkdirSync(objects);
    await until(() => isTrimmed(only));
    expect(only.log()).toContain('archive works again');
    proposer.close();
    expect(await client.readsEverything(only)).toBe(true);
  });

  test('archive to a bucket, and read back from it', async () => {
    const { default: S3rver } = (await import('s3rver' as string)) as {
      default: new (options: object) => { run(): Promise<AddressInfo>; close(): Promise<void> };
    };
    const directory = join(root, 's3rver');
    const server = new S3rver({
      address: '127.0.0.1',
      port: 0,
      silent: true,
      directory,
      configureBuckets: [{ name: 'neon' }],
    });
    const { port } = await server.run();
    try {
      const only = await start(1, {
        NEON_OBJECT_STORE_URL: `s3://neon/prefix?endpoint=http://127.0.0.1:${port}&forcePathStyle=true&region=us-east-1`,
        AWS_ACCESS_KEY_ID: 'S3RVER',
        AWS_SECRET_ACCESS_KEY: 'S3RVER',
      });
      await client.create(only);
      await client.write([only]);
      const proposer = await client.propose([only]);
      await proposer.recovered();
      await proposer.committed(wal.endLsn);
      await pageserverHasAll(only);
      await until(() => isTrimmed(only));
      proposer.close();
      expect(await client.readsEverything(only)).toBe(true);
    } finally {
      await running.get(1)?.end('SIGTERM');
      await server.close();
    }
  });
});
