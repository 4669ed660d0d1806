import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DEFAULT_TIMING,
  FRAME_SIZE_MAX,
  Membership,
  type ProposerConfig,
  decodeAcceptorMessage,
} from '@neon/consensus';
import { freePort } from '@neon/free-port';
import { FrameDecoder, Lsn, SafekeeperId, SystemId, TenantId, TimelineId } from '@neon/kernel';
import { Bus } from '@neon/messaging';
import {
  SafekeeperStatus,
  type SafekeeperTimelineStatus,
  TimelineDetail,
  safekeeperAlive,
  safekeeperTimelineStatus,
} from '@neon/safekeeper-contract';
import { UNLIMITED } from '@neon/safekeeper-core';
import { TokenIssuer, generateKeyPair } from '@neon/service-token';
import { createLogger } from '@neon/telemetry';
import { type RunningSafekeeper, startSafekeeper } from './start';
import { ProposerClient } from './testing/proposer-client';
import { type RealWal, makeRealWal } from './testing/real-wal';
import { type SafekeeperPorts, freePorts } from './testing/safekeeper-process';
import { WalReader } from './testing/wal-reader';

const SEGMENT_SIZE = 16 * 1024 * 1024;
const TENANT = TenantId.parse('aa'.repeat(16));
const IDS = [1, 2, 3].map((id) => SafekeeperId.of(id));

describe('three safekeepers', () => {
  const root = mkdtempSync(join(tmpdir(), 'safekeepers-'));
  const running = new Map<SafekeeperId, RunningSafekeeper>();
  /** A safekeeper keeps its ports over a restart. */
  const allPorts = new Map<SafekeeperId, SafekeeperPorts>();
  const ports = new Map<SafekeeperId, number>();
  const logger = createLogger('safekeeper', 'fatal');
  let nats: ChildProcess;
  let natsUrl: string;
  let wal: RealWal;
  let issuer: TokenIssuer;
  let managementToken: string;
  let storageToken: string;
  let timelineCount = 0;

  beforeAll(async () => {
    const natsPort = await freePort();
    natsUrl = `nats://127.0.0.1:${natsPort}`;
    const args = ['-a', '127.0.0.1', '-p', String(natsPort), '-js', '-sd', join(root, 'nats')];
    nats = spawn('nats-server', args, { stdio: 'ignore' });
    const keys = await generateKeyPair();
    writeFileSync(join(root, 'public.pem'), keys.publicPem);
    issuer = await TokenIssuer.fromPem(keys.privatePem);
    managementToken = await issuer.issue({ scope: 'management' });
    storageToken = await issuer.issue({ scope: 'storage' });
    wal = await makeRealWal([
      'CREATE TABLE t (id bigserial PRIMARY KEY, filler text)',
      'INSERT INTO t (filler) SELECT repeat(md5(i::text), 8) FROM generate_series(1, 20000) i',
      'UPDATE t SET filler = filler || id WHERE id % 3 = 0',
      'SELECT pg_switch_wal()',
      'INSERT INTO t (filler) SELECT i::text FROM generate_series(1, 1000) i',
      'VACUUM FULL t',
    ]);
    // More than one segment, so that every path crosses a border.
    expect(wal.bytes.length).toBeGreaterThan(SEGMENT_SIZE);
    for (const id of IDS) await start(id);
  });

  afterAll(async () => {
    for (const safekeeper of running.values()) await safekeeper.close();
    nats.kill('SIGTERM');
    await once(nats, 'exit');
    rmSync(root, { recursive: true, force: true });
  });

  async function start(id: SafekeeperId): Promise<void> {
    running.set(id, await launch(id));
  }

  async function launch(id: SafekeeperId): Promise<RunningSafekeeper> {
    const known = allPorts.get(id) ?? (await freePorts());
    allPorts.set(id, known);
    ports.set(id, known.proposerPort);
    const config = {
      safekeeperId: id,
      dataDir: join(root, String(id)),
      host: '127.0.0.1',
      ...known,
      nats: { servers: natsUrl, token: undefined },
      tokenPublicKeyFile: join(root, 'public.pem'),
      storageTokenFile: undefined,
      walLimits: UNLIMITED,
      diskFreeBytesMin: 0,
      unarchivedWal: 'kept' as const,
      objectStoreUrl: undefined,
      offloadAfterMs: Infinity,
      otlpUrl: undefined,
      logLevel: 'silent',
    };
    return startSafekeeper(config, logger);
  }

  async function stop(id: SafekeeperId): Promise<void> {
    await running.get(id)?.close();
    running.delete(id);
  }

  const url = (id: SafekeeperId, path: string): string => `http://127.0.0.1:${running.get(id)?.httpPort}${path}`;
  const withToken = (token: string) => ({ authorization: `Bearer ${token}` });
  const pathOf = (timelineId: TimelineId): string => `/v1/tenants/${TENANT}/timelines/${timelineId}`;
  const bodyOf = async (id: SafekeeperId, change = {}): Promise<string> =>
    JSON.stringify({
      pgMajor: 17,
      systemId: wal.systemId,
      walSegmentSize: SEGMENT_SIZE,
      startLsn: Lsn.format(wal.startLsn),
      incarnation: (await status(id)).incarnation,
      ...change,
    });
  const put = async (id: SafekeeperId, timelineId: TimelineId, body?: string, token = managementToken) =>
    fetch(url(id, pathOf(timelineId)), {
      method: 'PUT',
      headers: { ...withToken(token), 'content-type': 'application/json' },
      body: body ?? (await bodyOf(id)),
    });

  async function createTimeline(): Promise<TimelineId> {
    const timelineId = TimelineId.parse((++timelineCount).toString(16).padStart(32, '0'));
    for (const id of IDS) expect((await put(id, timelineId)).status).toBe(200);
    return timelineId;
  }

  async function detail(id: SafekeeperId, timelineId: TimelineId): Promise<TimelineDetail> {
    const response = await fetch(url(id, pathOf(timelineId)), { headers: withToken(managementToken) });
    return TimelineDetail.parse(await response.json());
  }

  async function status(id: SafekeeperId): Promise<SafekeeperStatus> {
    const response = await fetch(url(id, '/v1/status'), { headers: withToken(managementToken) });
    return SafekeeperStatus.parse(await response.json());
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; !(await condition()); attempt++) {
      if (attempt > 1200) throw new Error('it did not happen in time');
      await sleep(50);
    }
  }

  async function propose(timelineId: TimelineId, change: Partial<ProposerConfig['identity']> = {}) {
    const token = await issuer.issue({ scope: 'timeline', tenantId: TENANT, timelineId });
    const identity = {
      tenantId: TENANT,
      timelineId,
      pgMajor: 17,
      systemId: wal.systemId,
      walSegmentSize: SEGMENT_SIZE,
      ...change,
    };
    const config = { identity, membership: Membership.founding(1), safekeepers: IDS, token, timing: DEFAULT_TIMING };
    return new ProposerClient(config, ports, async ({ startLsn, endLsn, donor, term }) => {
      const reader = await open(donor, timelineId, { term });
      await reader.start(startLsn);
      const bytes = await reader.read(startLsn, endLsn);
      reader.close();
      return bytes;
    });
  }

  const open = (
    id: SafekeeperId,
    timelineId: TimelineId,
    { term, token = storageToken }: { term?: number; token?: string } = {},
  ) =>
    WalReader.open({
      port: running.get(id)?.replicationPort ?? 0,
      settings: `-c tenant_id=${TENANT} -c timeline_id=${timelineId}${term === undefined ? '' : ` -c term=${term}`}`,
      token,
    });

  const part = (from: number, to: number): Buffer => wal.bytes.subarray(from, to);

  test('real WAL is committed by a quorum and comes back byte for byte, from files and from memory', async () => {
    const timelineId = await createTimeline();
    const proposer = await propose(timelineId);
    expect(await proposer.recovered()).toBe(wal.startLsn);
    const early = await open(IDS[0]!, timelineId);
    await early.start(wal.startLsn);
    const streamed = early.read(wal.startLsn, wal.endLsn);
    await proposer.write(wal.startLsn, wal.bytes);
    await proposer.committed(wal.endLsn);
    expect((await streamed).equals(wal.bytes)).toBe(true);
    early.close();
    for (const id of IDS) {
      const late = await open(id, timelineId);
      await late.start(wal.startLsn);
      expect((await late.read(wal.startLsn, wal.endLsn)).equals(wal.bytes)).toBe(true);
      late.close();
    }
    proposer.close();
  });

  test('messages end where a page ends, or what is committed: standbys rely on it (RC2)', async () => {
    const timelineId = await createTimeline();
    const proposer = await propose(timelineId);
    await proposer.recovered();
    const reader = await open(IDS[0]!, timelineId);
    await reader.start(wal.startLsn);
    await proposer.write(wal.startLsn, part(0, 100_000));
    await proposer.until(() => proposer.commitLsn > wal.startLsn);
    await sleep(300);
    const { commitLsn } = proposer;
    await reader.read(wal.startLsn, commitLsn);
    // Without a quorum nothing is committed; then it is much at once, from where no page begins.
    await stop(IDS[1]!);
    await stop(IDS[2]!);
    await proposer.write(Lsn.advance(wal.startLsn, 100_000), part(100_000, 900_000));
    const flushed = async () => Lsn.parse((await detail(IDS[0]!, timelineId)).flushLsn);
    await until(async () => (await flushed()) > Lsn.advance(commitLsn, 500_000));
    const flushLsn = await flushed();
    await start(IDS[1]!);
    await start(IDS[2]!);
    await reader.read(commitLsn, flushLsn);
    const told = new Set<number>(reader.toldEnds);
    expect(reader.ends.filter((end) => end % 8192 !== 0 && !told.has(end))).toEqual([]);
    expect(reader.ends.filter((end) => !told.has(end)).length).toBeGreaterThan(2);
    reader.close();
    proposer.close();
  });

  test('a proposer that dies is followed by one that finds everything that was committed', async () => {
    const timelineId = await createTimeline();
    const first = await propose(timelineId);
    await first.recovered();
    await first.write(wal.startLsn, wal.bytes);
    await first.committed(wal.endLsn);
    first.close();
    const second = await propose(timelineId);
    expect(await second.recovered()).toBe(wal.endLsn);
    second.close();
  });

  test('a safekeeper that was away is brought up to date from another one, without a byte of difference', async () => {
    const timelineId = await createTimeline();
    const lagging = IDS[2]!;
    const first = await propose(timelineId);
    await first.recovered();
    await stop(lagging);
    await first.write(wal.startLsn, wal.bytes);
    await first.committed(wal.endLsn);
    first.close();
    const second = await propose(timelineId);
    await second.recovered();
    await start(lagging);
    await until(async () => (await detail(lagging, timelineId)).commitLsn === Lsn.format(wal.endLsn));
    const reader = await open(lagging, timelineId);
    await reader.start(wal.startLsn);
    expect((await reader.read(wal.startLsn, wal.endLsn)).equals(wal.bytes)).toBe(true);
    reader.close();
    second.close();
  });

  test('with two of three away nothing is committed; with one back it goes on', async () => {
    const timelineId = await createTimeline();
    const proposer = await propose(timelineId);
    await proposer.recovered();
    await stop(IDS[1]!);
    await stop(IDS[2]!);
    const writing = proposer.write(wal.startLsn, wal.bytes);
    await sleep(500);
    expect(proposer.commitLsn).toBe(wal.startLsn);
    await start(IDS[1]!);
    await writing;
    await proposer.committed(wal.endLsn);
    await start(IDS[2]!);
    proposer.close();
  });

  test('a later proposer deposes an earlier one, which commits nothing more', async () => {
    const timelineId = await createTimeline();
    const first = await propose(timelineId);
    await first.recovered();
    const second = await propose(timelineId);
    await second.recovered();
    await first.until(() => first.deposedBy !== undefined);
    expect(first.commitLsn).toBe(wal.startLsn);
    first.close();
    second.close();
  });

  test('a proposer of another cluster, or with a token for another timeline, is refused', async () => {
    const timelineId = await createTimeline();
    const stranger = await propose(timelineId, { systemId: SystemId.parse('1') });
    await stranger.until(() => stranger.refusals.length > 0);
    expect(stranger.refusals[0]).toBe('IdentityMismatch');
    stranger.close();
    const intruder = await propose(await createTimeline(), { timelineId });
    await intruder.until(() => intruder.refusals.length > 0);
    expect(intruder.refusals[0]).toBe('Unauthorized');
    intruder.close();
  });

  test('a reader sees no more than is committed, and with a term what is durable while the term lasts', async () => {
    const timelineId = await createTimeline();
    const proposer = await propose(timelineId);
    await proposer.recovered();
    const { term } = await detail(IDS[0]!, timelineId);
    await stop(IDS[1]!);
    await stop(IDS[2]!);
    await proposer.write(wal.startLsn, part(0, 100_000));
    await until(async () => (await detail(IDS[0]!, timelineId)).flushLsn !== Lsn.format(wal.startLsn));
    const { flushLsn, commitLsn } = await detail(IDS[0]!, timelineId);
    expect(commitLsn).toBe(Lsn.format(wal.startLsn));
    const reader = await open(IDS[0]!, timelineId);
    expect(await reader.query('IDENTIFY_SYSTEM')).toEqual([wal.systemId, '1', commitLsn, null]);
    expect(await reader.query('SHOW wal_segment_size')).toEqual(['16MB']);
    reader.close();
    const donor = await open(IDS[0]!, timelineId, { term });
    await donor.start(wal.startLsn);
    const durable = Lsn.parse(flushLsn);
    expect((await donor.read(wal.startLsn, durable)).equals(part(0, durable - wal.startLsn))).toBe(true);
    donor.close();
    const late = await open(IDS[0]!, timelineId, { term: term - 1 });
    await expect(late.start(wal.startLsn)).rejects.toThrow('is over');
    await start(IDS[1]!);
    await start(IDS[2]!);
    proposer.close();
  });

  test('readers and writers show in the timeline, and status goes out on the bus', async () => {
    const timelineId = await createTimeline();
    const bus = await Bus.connect({
      servers: natsUrl,
      name: 'spec',
      onError: (error) => {
        throw error;
      },
    });
    const statuses: SafekeeperTimelineStatus[] = [];
    const alive = new Set<number>();
    bus.onSignal(safekeeperTimelineStatus, (status) => void statuses.push(status));
    bus.onSignal(safekeeperAlive, ({ safekeeperId }) => void alive.add(safekeeperId));
    await bus.flush();
    const proposer = await propose(timelineId);
    await proposer.recovered();
    await proposer.write(wal.startLsn, part(0, 100_000));
    const reader = await open(IDS[0]!, timelineId);
    await reader.start(wal.startLsn);
    await until(async () => (await detail(IDS[0]!, timelineId)).readers[0]?.name === 'test');
    reader.report(Lsn.advance(wal.startLsn, 8));
    const told = Lsn.format(Lsn.advance(wal.startLsn, 8));
    await until(async () => (await detail(IDS[0]!, timelineId)).readers[0]?.flushLsn === told);
    // A pageserver tells the one it reads from, which tells the others (RC6, SR2); a replica is not believed that.
    const replicaToken = await issuer.issue({ scope: 'timeline', tenantId: TENANT, timelineId });
    const replica = await open(IDS[1]!, timelineId, { token: replicaToken });
    await replica.start(wal.startLsn);
    replica.report(Lsn.advance(wal.startLsn, 16));
    for (const id of IDS) await until(async () => (await detail(id, timelineId)).remoteConsistentLsn === told);
    replica.close();
    // The proposer hears of it with the next heartbeat: where the pageserver is, from the one it reads from.
    const reportedLsn = Lsn.parse(told);
    await proposer.until(() => IDS.every((each) => proposer.pageserver.get(each)?.durableLsn === reportedLsn));
    expect(proposer.pageserver.get(IDS[0]!)).toEqual({ receivedLsn: reportedLsn, durableLsn: reportedLsn });
    expect(proposer.pageserver.get(IDS[1]!)).toEqual({ receivedLsn: Lsn.ZERO, durableLsn: reportedLsn });
    expect((await detail(IDS[0]!, timelineId)).writerConnected).toBe(true);
    await until(() =>
      Promise.resolve(
        IDS.every((id) =>
          statuses.some(
            (status) =>
              status.safekeeperId === id &&
              status.timelineId === timelineId &&
              status.term === 1 &&
              Lsn.parse(status.commitLsn) > wal.startLsn,
          ),
        ),
      ),
    );
    await until(() => Promise.resolve(alive.size === 3));
    reader.close();
    proposer.close();
    await bus.close();
  });

  test('creating is idempotent, another creation is refused, and a deleted timeline stays deleted', async () => {
    const id = IDS[0]!;
    const timelineId = await createTimeline();
    expect((await put(id, timelineId)).status).toBe(200);
    expect((await put(id, timelineId, await bodyOf(id, { startLsn: '0/2000000' }))).status).toBe(409);
    const remove = () => fetch(url(id, pathOf(timelineId)), { method: 'DELETE', headers: withToken(managementToken) });
    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(204);
    expect((await put(id, timelineId)).status).toBe(410);
    await stop(id);
    await start(id);
    expect((await put(id, timelineId)).status).toBe(410);
    const proposer = await propose(timelineId);
    await proposer.until(() => proposer.refusals.includes('TimelineDeleted'));
    proposer.close();
  });

  test('a second process over the same data directory ends, and nothing that the first acknowledges is lost', async () => {
    const timelineId = await createTimeline();
    const proposer = await propose(timelineId);
    await proposer.recovered();
    const writing = proposer.write(wal.startLsn, wal.bytes);
    await expect(launch(IDS[0]!)).rejects.toThrow(/another process uses the directory/);
    await writing;
    await until(async () => (await detail(IDS[0]!, timelineId)).flushLsn === Lsn.format(wal.endLsn));
    proposer.close();
    await stop(IDS[0]!);
    await start(IDS[0]!);
    expect((await detail(IDS[0]!, timelineId)).flushLsn).toBe(Lsn.format(wal.endLsn));
  });

  test('a safekeeper that lost its disk gets no timeline back, and elects nobody: what it confirmed is not lost', async () => {
    const [first, second, third] = IDS as [SafekeeperId, SafekeeperId, SafekeeperId];
    const timelineId = await createTimeline();
    const { incarnation } = await status(first);
    const before = await bodyOf(first);
    expect((await put(first, timelineId, before)).status).toBe(200);
    await stop(third);
    const proposer = await propose(timelineId);
    await proposer.recovered();
    await proposer.write(wal.startLsn, part(0, 100_000));
    await until(() => Promise.resolve(proposer.commitLsn > wal.startLsn));
    proposer.close();
    await stop(first);
    rmSync(join(root, String(first)), { recursive: true });
    await start(first);
    expect((await status(first)).incarnation).not.toBe(incarnation);
    const refused = await put(first, timelineId, before);
    expect([refused.status, await refused.json()]).toEqual([
      409,
      expect.objectContaining({ code: 'WrongIncarnation' }),
    ]);
    await start(third);
    await stop(second);
    const forgetful = await propose(timelineId);
    await forgetful.until(() => forgetful.refusals.includes('TimelineUnknown'));
    await sleep(300);
    expect(forgetful.commitLsn).toBe(Lsn.ZERO);
    await start(second);
    expect(await forgetful.recovered()).toBeGreaterThan(wal.startLsn);
    forgetful.close();
  });

  test('the management API wants its token and well-formed requests', async () => {
    const id = IDS[0]!;
    const timelineId = await createTimeline();
    expect((await put(id, timelineId, undefined, storageToken)).status).toBe(401);
    expect((await fetch(url(id, pathOf(timelineId)))).status).toBe(401);
    expect((await put(id, timelineId, '{')).status).toBe(400);
    expect((await put(id, timelineId, await bodyOf(id, { startLsn: '0/1000001' }))).status).toBe(400);
    expect((await put(id, timelineId, await bodyOf(id, { systemId: 'x' }))).status).toBe(400);
    expect((await put(id, timelineId, await bodyOf(id, { incarnation: undefined }))).status).toBe(400);
    const unknown = TimelineId.parse('ff'.repeat(16));
    const response = await fetch(url(id, pathOf(unknown)), { headers: withToken(managementToken) });
    expect([response.status, await response.json()]).toEqual([
      404,
      expect.objectContaining({ code: 'TimelineUnknown' }),
    ]);
    expect((await fetch(url(id, '/healthz'))).status).toBe(200);
    expect(await (await fetch(url(id, '/v1/status'), { headers: withToken(managementToken) })).json()).toMatchObject({
      id,
    });
  });

  test('garbage to any port ends that connection and nothing else', async () => {
    const id = IDS[0]!;
    const timelineId = await createTimeline();
    const { proposerPort, replicationPort, httpPort } = running.get(id)!;
    for (const port of [proposerPort, replicationPort, httpPort])
      for (const garbage of [Buffer.alloc(70_000, 0xff), Buffer.from('GET / HTTP/1.0\r\n\r\n'), Buffer.alloc(64)])
        await ended(connect({ host: '127.0.0.1', port }), garbage);
    expect((await put(id, timelineId)).status).toBe(200);
    const intruder = open(id, timelineId, { token: 'wrong' });
    await expect(intruder).rejects.toThrow('token refused');
  });

  test('a proposer of another protocol version is told so', async () => {
    const { proposerPort } = running.get(IDS[0]!)!;
    const socket = connect({ host: '127.0.0.1', port: proposerPort });
    const answer: Buffer[] = [];
    socket.on('data', (chunk) => answer.push(chunk));
    // Tag 1, generation 1, version 1, and whatever that version has there.
    await ended(socket, Buffer.from([0, 0, 0, 10, 1, 0, 0, 0, 1, 0, 1, 7, 7, 7]));
    const [frame] = new FrameDecoder(FRAME_SIZE_MAX).push(Buffer.concat(answer));
    const refusal = { kind: 'sessionRefused', code: 'VersionUnsupported', reason: 'protocol version 1, here 3' };
    expect(frame === undefined ? undefined : decodeAcceptorMessage(frame)).toEqual(refusal);
  });

  /** Writes, and waits until the server has closed. */
  async function ended(socket: Socket, garbage: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(garbage);
    await new Promise((resolve) => socket.once('close', resolve));
  }
});
