/** The walproposer between real acceptors over TCP and a walsender of the spec's own, which breaks when it is told to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ComputeSpec } from '@neon/compute-contract';
import { AcceptorState, Membership } from '@neon/consensus';
import { Lsn, SystemId, TenantId, TimelineId, crc32c } from '@neon/kernel';
import { createLogger } from '@neon/telemetry';
import { TestSafekeeper } from '../host/test-safekeeper';
import { SafekeeperAddresses } from './safekeeper-addresses';
import { Walproposer } from './walproposer';

const WAL_SIZE = 1_000;
const PORT = 5555;
const IDENTITY = {
  tenantId: TenantId.parse('1'.repeat(32)),
  timelineId: TimelineId.parse('2'.repeat(32)),
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: 16 * 1024 * 1024,
};
const START = Lsn.of(0x150_0028);

/** Speaks the walsender's half: START_REPLICATION is granted, and what standbys report is kept. */
class TestWalsender {
  readonly starts: Lsn[] = [];
  readonly flushed: Lsn[] = [];
  private readonly server: Server;
  private socket: Socket | undefined;

  constructor(socketDir: string) {
    this.server = createServer((socket) => this.serve(socket)).listen(join(socketDir, `.s.PGSQL.${PORT}`));
  }

  private serve(socket: Socket): void {
    let isStreaming = false;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const start = isStreaming ? null : /START_REPLICATION SLOT \S+ PHYSICAL (\S+)\0/.exec(chunk.toString('latin1'));
      if (start?.[1] !== undefined) {
        isStreaming = true;
        this.starts.push(Lsn.parse(start[1]));
        this.socket = socket;
        socket.write(message('W', Buffer.alloc(3)));
      } else if (isStreaming)
        for (let at = 0; at + 39 <= chunk.length; at += 39)
          this.flushed.push(Lsn.of(Number(chunk.readBigUInt64BE(at + 14))));
    });
  }

  /** One record, of zeros but for its length, its link and its checksum. */
  sendWal(startLsn: Lsn, prevLsn = Lsn.ZERO): void {
    const payload = Buffer.alloc(25 + WAL_SIZE);
    payload.write('w');
    payload.writeBigUInt64BE(BigInt(startLsn), 1);
    const record = payload.subarray(25);
    record.writeUInt32LE(WAL_SIZE, 0);
    record.writeBigUInt64LE(BigInt(prevLsn), 8);
    record.writeUInt32LE(crc32c(Buffer.concat([record.subarray(24), record.subarray(0, 20)])), 20);
    this.socket?.write(message('d', payload));
  }

  askForStatus(): void {
    const payload = Buffer.alloc(18);
    payload.write('k');
    payload.writeUInt8(1, 17);
    this.socket?.write(message('d', payload));
  }

  break(): void {
    this.socket?.destroy();
  }

  close(): void {
    this.break();
    this.server.close();
  }
}

function message(tag: string, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(tag);
  header.writeUInt32BE(4 + payload.length, 1);
  return Buffer.concat([header, payload]);
}

let socketDir: string;
let walsender: TestWalsender;
let safekeepers: TestSafekeeper[];
let opened: Walproposer[];
let deposedCount: number;
/** What safekeepers have said of themselves. */
let heard: SafekeeperAddresses;

beforeEach(async () => {
  socketDir = mkdtempSync(join(tmpdir(), 'neon-wp-'));
  walsender = new TestWalsender(socketDir);
  safekeepers = [1, 2, 3].map((id) => new TestSafekeeper(id, IDENTITY, START));
  await Promise.all(safekeepers.map((safekeeper) => safekeeper.start()));
  opened = [];
  deposedCount = 0;
  heard = new SafekeeperAddresses();
});
afterEach(async () => {
  for (const walproposer of opened) walproposer.close();
  walsender.close();
  await Promise.all(safekeepers.map((safekeeper) => safekeeper.stop()));
  rmSync(socketDir, { recursive: true });
});

function open(): Walproposer {
  const spec: ComputeSpec = {
    version: 1,
    computeId: 'ep-quiet-river-12345678',
    ...IDENTITY,
    systemId: '7000000000000000001',
    pageserver: { host: '127.0.0.1', pagePort: 1 },
    membershipGeneration: 1,
    safekeepers: safekeepers.map(({ id, port }) => ({ id, host: '127.0.0.1', proposerPort: port, replicationPort: 1 })),
    token: 'let me in',
    roles: [],
    databases: [],
    dropped: { roles: [], databases: [] },
    settings: {},
  };
  const walproposer = new Walproposer({
    spec,
    addresses: heard.within(spec),
    log: createLogger('compute', 'silent'),
    onDeposed: () => deposedCount++,
  });
  opened.push(walproposer);
  return walproposer;
}

async function following(): Promise<Walproposer> {
  const walproposer = open();
  await walproposer.elect(60_000);
  await walproposer.follow({ socketDir, port: PORT, walDir: '/nonexistent' });
  return walproposer;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    if (holds()) return;
    await sleep(10);
  }
  throw new Error(`never: ${what}`);
}

it('a safekeeper answers though it is just being greeted anew, and one that was never heard does not', async () => {
  await Promise.all(safekeepers.slice(1).map((safekeeper) => safekeeper.stop()));
  const walproposer = open();
  const refused = expect(walproposer.elect(60_000)).rejects.toThrow('closed');
  const answering = (): number[] => walproposer.quorumUnavailable().details['answering'] as number[];
  expect(answering()).toEqual([]);
  await until('one answers', () => answering().length > 0);
  await until('it is greeted twice more', () => {
    expect(answering()).toEqual([1]);
    return (safekeepers[0]?.sessionCount ?? 0) > 2;
  });
  walproposer.close();
  await refused;
});

describe('a stream from Postgres that breaks while the quorum is down', () => {
  it('goes on after the last byte received, and still reports what the quorum has and no more (W5)', async () => {
    const walproposer = await following();
    await Promise.all(safekeepers.map((safekeeper) => safekeeper.stop()));
    walsender.sendWal(START);
    await sleep(50);
    walsender.break();
    const receivedLsn = Lsn.advance(START, WAL_SIZE);
    await until('the stream is open again', () => walsender.starts.length === 2);
    expect(walsender.starts).toEqual([START, receivedLsn]);
    const before = walsender.flushed.length;
    walsender.askForStatus();
    await until('Postgres is answered', () => walsender.flushed.length >= before + 2);
    expect(new Set(walsender.flushed)).toEqual(new Set([START]));
    expect(walproposer.commitLsn).toBe(START);
    await Promise.all(safekeepers.map((safekeeper) => safekeeper.start()));
    await until('Postgres hears of the commit', () => walsender.flushed.at(-1) === receivedLsn);
    expect(walproposer.commitLsn).toBe(receivedLsn);
  });

  it('hears again what was committed meanwhile, without asking', async () => {
    await following();
    walsender.sendWal(START);
    const receivedLsn = Lsn.advance(START, WAL_SIZE);
    await until('it is committed', () => walsender.flushed.at(-1) === receivedLsn);
    walsender.break();
    await until('the stream is open again', () => walsender.starts.length === 2);
    walsender.flushed.length = 0;
    await until('it is said, and said again (V6)', () => walsender.flushed.length >= 2);
    expect(walsender.flushed[0]).toBe(receivedLsn);
  });
});

it('a deposed walproposer ends its stream for good, and reports nothing more (W4)', async () => {
  await following();
  await open().elect(60_000);
  await until('the first is deposed', () => deposedCount === 1);
  await sleep(50);
  walsender.flushed.length = 0;
  await sleep(200);
  expect(walsender.starts).toHaveLength(1);
  expect(walsender.flushed).toEqual([]);
});

describe('a membership that changes (W6)', () => {
  const memberOf = ({ state }: TestSafekeeper) => AcceptorState.member(state);
  const hear = ({ id, port }: TestSafekeeper): void =>
    heard.heardOf({ id, host: '127.0.0.1', proposerPort: port, replicationPort: 1 });

  it('is followed to a safekeeper that no spec named, as soon as that says where it is; one that left is let go', async () => {
    const walproposer = await following();
    const [first, second, third] = safekeepers;
    if (first === undefined || second === undefined || third === undefined) throw new Error('there are three');
    const joining = new TestSafekeeper(4, IDENTITY, START);
    await joining.start();
    safekeepers.push(joining);
    // While one is away, its WAL stays in memory.
    await third.stop();
    walsender.sendWal(START);
    const receivedLsn = Lsn.advance(START, WAL_SIZE);
    await until('two have it', () => [first, second].every(({ state }) => state.flushLsn === receivedLsn));

    const membership = Membership.settled(2, [second, third, joining].map(memberOf));
    for (const safekeeper of [first, second, third]) safekeeper.configure(membership);
    await third.start();
    await until('the remaining ones are led again', () => second.isLed && third.isLed);
    await until('the first is let go', () => !first.isConnected);
    expect(joining.isConnected).toBe(false);
    hear(joining);
    await until('the joining one has all of it', () => joining.state.flushLsn === receivedLsn);

    // A commit needs two of the three that are members now.
    await second.stop();
    walsender.sendWal(receivedLsn, START);
    await until(
      'it is committed without the first',
      () => walproposer.commitLsn === Lsn.advance(receivedLsn, WAL_SIZE),
    );
    expect(first.state.flushLsn).toBe(receivedLsn);
    expect(deposedCount).toBe(0);
  });

  it('a safekeeper that moved is found where it says it is', async () => {
    const walproposer = await following();
    const [, second, third] = safekeepers;
    if (second === undefined || third === undefined) throw new Error('there are three');
    await third.stop();
    await second.stop();
    second.port = 0;
    await second.start();
    hear(second);
    walsender.sendWal(START);
    await until('it is committed', () => walproposer.commitLsn === Lsn.advance(START, WAL_SIZE));
  });
});
