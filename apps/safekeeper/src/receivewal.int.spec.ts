/** Stock pg_receivewal reads a timeline from safekeepers as it does from a Postgres. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Lsn, type SafekeeperId, TenantId, TimelineId } from '@neon/kernel';
import type { ProposerClient } from './testing/proposer-client';
import { type RealWal, makeRealWal } from './testing/real-wal';
import { Surroundings } from './testing/safekeeper-process';
import { TRIO, Trio, until } from './testing/trio';

/** As Debian has them: of Postgres 15, which reads from servers up to 15. */
const CLIENTS = '/usr/lib/postgresql/15/bin';
const MAJOR = 15;
const SEGMENT_SIZE = 16 * 1024 * 1024;
const [FIRST, SECOND] = TRIO as [SafekeeperId, SafekeeperId];

const areThere = ['pg_receivewal', 'pg_waldump', 'pg_basebackup'].every((name) => existsSync(join(CLIENTS, name)));
(areThere ? describe : describe.skip)('pg_receivewal', () => {
  const root = mkdtempSync(join(tmpdir(), 'receivewal-'));
  let surroundings: Surroundings;
  let wal: RealWal;
  let trio: Trio;
  let proposer: ProposerClient;
  let count = 0;
  let client: ChildProcess | undefined;
  let said = '';

  beforeAll(async () => {
    surroundings = await Surroundings.start(root);
    wal = await makeRealWal(
      [
        'CREATE TABLE t (id bigserial PRIMARY KEY, filler text)',
        'INSERT INTO t (filler) SELECT repeat(md5(i::text), 8) FROM generate_series(1, 60000) i',
        'SELECT pg_switch_wal()',
        'UPDATE t SET filler = filler || id WHERE id % 3 = 0',
      ],
      MAJOR,
    );
    expect(wal.bytes.length).toBeGreaterThan(2 * SEGMENT_SIZE);
  });
  afterAll(async () => {
    await surroundings.stop();
    rmSync(root, { recursive: true, force: true });
  });

  beforeEach(async () => {
    const identity = {
      tenantId: TenantId.parse('aa'.repeat(16)),
      timelineId: TimelineId.parse((++count).toString(16).padStart(32, '0')),
      pgMajor: MAJOR,
      systemId: wal.systemId,
      walSegmentSize: SEGMENT_SIZE,
    };
    trio = await Trio.start(surroundings, { name: `trio-${count}`, identity, startLsn: wal.startLsn });
    proposer = await trio.propose();
    await proposer.recovered();
  });
  afterEach(async () => {
    await stop();
    proposer.close();
    await trio.close();
  });

  const write = async (from: number, to: number): Promise<void> => {
    const bytes = wal.bytes.subarray(from, to);
    await proposer.write(Lsn.advance(wal.startLsn, from), bytes);
  };

  async function receive(directory: string, ...options: string[]): Promise<void> {
    const conninfo = `host=127.0.0.1,127.0.0.1 port=${trio.replicationPort(FIRST)},${trio.replicationPort(SECOND)} user=x options='${trio.settings}'`;
    const env = { PGPASSWORD: await trio.token(), LC_ALL: 'C' };
    said = '';
    client = spawn(join(CLIENTS, 'pg_receivewal'), ['-v', '-d', conninfo, '-D', directory, ...options], { env });
    for (const stream of [client.stdout, client.stderr]) stream?.on('data', (chunk) => (said += String(chunk)));
  }

  async function stop(): Promise<void> {
    const running = client;
    client = undefined;
    if (running === undefined || running.exitCode !== null) return;
    running.kill('SIGINT');
    await once(running, 'exit');
  }

  const directory = (): string => mkdtempSync(join(root, 'received-'));
  const sizeOf = (path: string): number => (existsSync(path) ? readFileSync(path).length : 0);
  const SEGMENTS = ['000000010000000000000001', '000000010000000000000002'];
  const LAST = '000000010000000000000003';

  /** The last segment is a file of zeros at first. */
  async function untilWhole(received: string): Promise<void> {
    const rest = wal.bytes.subarray(2 * SEGMENT_SIZE);
    const path = join(received, `${LAST}.partial`);
    const isWhole = (): boolean => readFileSync(path).subarray(0, rest.length).equals(rest);
    await until('the last segment is there', () => existsSync(path) && isWhole());
  }

  function requireSame(received: string): void {
    for (const name of SEGMENTS) {
      const kept = readFileSync(join(trio.timelineDir(FIRST), name));
      expect(readFileSync(join(received, name)).equals(kept)).toBe(true);
    }
  }

  function requireReadable(received: string): void {
    const args = ['-p', received, '-s', Lsn.format(wal.startLsn), '-e', '0/3000000', '--stats'];
    const stats = execFileSync(join(CLIENTS, 'pg_waldump'), args, { encoding: 'utf8' });
    expect(stats).toMatch(/^Total +[1-9]\d{4,}/m);
  }

  test('has the segments of the safekeeper, byte for byte, and pg_waldump reads them', async () => {
    const received = directory();
    await write(0, 1_000_000);
    await until('something is committed', () => proposer.commitLsn > wal.startLsn);
    await receive(received);
    await write(1_000_000, wal.bytes.length);
    await proposer.committed(wal.endLsn);
    await untilWhole(received);
    await stop();
    requireSame(received);
    requireReadable(received);
  });

  test('--synchronous reports what it has made durable, up to the end', async () => {
    const received = directory();
    await write(0, 1_000_000);
    await receive(received, '--synchronous');
    await write(1_000_000, wal.bytes.length);
    await proposer.committed(wal.endLsn);
    const flushed = async (): Promise<boolean> =>
      (await trio.detail(FIRST)).readers.some((each) => each.flushLsn === Lsn.format(wal.endLsn));
    await until('it has flushed everything', flushed);
    await untilWhole(received);
    await stop();
    requireSame(received);
  });

  test('goes on after a restart where it stopped, and with another safekeeper when the first one goes', async () => {
    const received = directory();
    await write(0, 1_000_000);
    await receive(received);
    await write(1_000_000, SEGMENT_SIZE + 1_000_000);
    await until('the second segment has begun', () => sizeOf(join(received, `${SEGMENTS[1]}.partial`)) > 0);
    client?.kill('SIGKILL');
    await until('it is gone', () => client?.signalCode === 'SIGKILL');
    await receive(received);
    await until('it streams again', () => said.includes('starting log streaming'));
    await trio.stop(FIRST);
    await write(SEGMENT_SIZE + 1_000_000, wal.bytes.length);
    await proposer.committed(wal.endLsn);
    await untilWhole(received);
    await stop();
    await trio.start(FIRST);
    await until('the first has it too', async () => (await trio.detail(FIRST)).flushLsn === Lsn.format(wal.endLsn));
    requireSame(received);
    requireReadable(received);
  });

  test('compresses what it receives, and what comes out is the same', async () => {
    const received = directory();
    await write(0, 1_000_000);
    await receive(received, '--compress=gzip:1');
    await write(1_000_000, wal.bytes.length);
    await proposer.committed(wal.endLsn);
    const last = `${LAST}.gz.partial`;
    await until('the last segment has begun', () => existsSync(join(received, last)));
    await stop();
    expect(readdirSync(received).sort()).toEqual([...SEGMENTS.map((name) => `${name}.gz`), last]);
    for (const name of SEGMENTS) {
      const kept = readFileSync(join(trio.timelineDir(FIRST), name));
      expect(gunzipSync(readFileSync(join(received, `${name}.gz`))).equals(kept)).toBe(true);
    }
  });

  test('is told what cannot be done, and so is pg_basebackup', async () => {
    const run = async (name: string, ...args: string[]): Promise<string> => {
      const conninfo = `host=127.0.0.1 port=${trio.replicationPort(FIRST)} user=x options='${trio.settings}'`;
      const env = { PGPASSWORD: await trio.token(), LC_ALL: 'C' };
      const child = spawn(join(CLIENTS, name), ['-d', conninfo, ...args], { env });
      let text = '';
      child.stderr.on('data', (chunk) => (text += String(chunk)));
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).not.toBe(0);
      return text;
    };
    const slot = ['-D', directory(), '--slot=s', '--create-slot'];
    expect(await run('pg_receivewal', ...slot)).toContain('a safekeeper has no replication slots');
    expect(await run('pg_receivewal', '-D', directory(), '--slot=s', '--no-loop')).toContain(
      'a safekeeper has no replication slots',
    );
    expect(await run('pg_basebackup', '-D', join(directory(), 'data'), '-X', 'none')).toContain(
      'take the base backup from a Postgres of this timeline',
    );
  });
});
