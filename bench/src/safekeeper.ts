/** One safekeeper alone: WAL over its real protocol beside `dd oflag=dsync` on the same disk, and thousands of idle timelines. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  APPEND_SIZE_MAX,
  type AcceptorMessage,
  FRAME_SIZE_MAX,
  Membership,
  type ProposerMessage,
  TermHistory,
  decodeAcceptorMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { freePort } from '@neon/free-port';
import { FrameDecoder, Lsn, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { WalEncoder } from '@neon/postgres';
import { SafekeeperStatus } from '@neon/safekeeper-contract';
import { TokenIssuer, generateKeyPair } from '@neon/service-token';
import { atEnd } from './at-end';
import { CHECKOUT, cpuSeconds } from './installation';
import { type Row, type Suite, duration, percentile, rate } from './row';

const SEGMENT_SIZE = 16 * 1024 * 1024;
const START_LSN = Lsn.of(SEGMENT_SIZE);
const SYSTEM_ID = SystemId.parse('7000000000000000001');
const TENANT = TenantId.parse('aa'.repeat(16));
const GENERATION = 1;
const CHUNK_SIZES = [8, 64, 256, 1024].map((kilobytes) => kilobytes * 1024);
/** What a compute keeps in flight. */
const IN_FLIGHT_MAX = 4 * 1024 * 1024;
const WAL_SIZE = 64 * 1024 * 1024;
/** Small synchronous writes are slow: enough of them, and not more. */
const CHUNK_COUNT_MAX = 1_000;
const IDLE_TIMELINE_COUNT = 2_000;
const CREATE_CONCURRENCY = 16;

export const safekeeper: Suite = {
  name: 'safekeeper',
  what: 'WAL through one safekeeper, beside dd oflag=dsync, and idle timelines (no installation needed)',
  async run(report): Promise<Row[]> {
    const root = mkdtempSync(join(tmpdir(), 'neon-bench-safekeeper-'));
    atEnd(() => rmSync(root, { recursive: true, force: true }));
    const node = await Node.start(root);
    const wal = makeWal();
    const rows: Row[] = [];
    for (const chunkSize of CHUNK_SIZES) {
      report(`chunks of ${chunkSize / 1024} KiB`);
      rows.push(...(await throughput(node, wal, chunkSize)));
    }
    report(`${IDLE_TIMELINE_COUNT} timelines`);
    return [...rows, ...(await idle(node))];
  },
};

/** One chunk after the other, as a single commit waits; then as many as a compute keeps in flight. */
async function throughput(node: Node, wal: Buffer, chunkSize: number): Promise<Row[]> {
  const name = `${chunkSize / 1024} KiB`;
  const few = Math.min(CHUNK_COUNT_MAX, Math.floor(wal.length / chunkSize)) * chunkSize;
  const before = dd(node.root, chunkSize, few);
  const inTurn = await stream(node, wal.subarray(0, few), { chunkSize, inFlightMax: chunkSize });
  const piped = await stream(node, wal, { chunkSize, inFlightMax: IN_FLIGHT_MAX });
  const peer = { name: 'dd', value: (before + dd(node.root, chunkSize, few)) / 2 };
  return [
    rate(`one chunk of ${name} at a time`, few / 1e6 / inTurn.seconds, 'MB/s', peer),
    rate(`chunks of ${name}, 4 MiB in flight`, wal.length / 1e6 / piped.seconds, 'MB/s', peer),
    rate(`chunks of ${name}, per second of safekeeper CPU`, wal.length / 1e6 / piped.cpuSeconds, 'MB/s'),
    duration(`one chunk of ${name}, p50`, percentile(inTurn.samplesMs, 0.5)),
    duration(`one chunk of ${name}, p99`, percentile(inTurn.samplesMs, 0.99)),
  ];
}

/** Bytes per second, in MB, of a file written anew with each block synced. */
function dd(root: string, blockSize: number, size: number): number {
  const file = join(root, 'dd');
  const started = performance.now();
  execFileSync('dd', ['if=/dev/zero', `of=${file}`, `bs=${blockSize}`, `count=${size / blockSize}`, 'oflag=dsync'], {
    stdio: 'ignore',
  });
  const seconds = (performance.now() - started) / 1000;
  rmSync(file);
  return size / 1e6 / seconds;
}

/** Records like those of inserts with some text. */
function makeWal(): Buffer {
  const options = { major: 17, segmentSize: SEGMENT_SIZE, startLsn: START_LSN, systemId: SYSTEM_ID } as const;
  const encoder = new WalEncoder({ ...options, prevLsn: Lsn.of(START_LSN - 64) });
  const parts: Uint8Array[] = [];
  for (let i = 0; encoder.endLsn - START_LSN < WAL_SIZE; i++)
    parts.push(encoder.append({ rmid: 10, info: 0, main: Buffer.alloc(100 + ((i * 7919) % 400), i) }).bytes);
  return Buffer.concat(parts).subarray(0, WAL_SIZE);
}

let timelineCount = 0;
const nextTimeline = (): TimelineId => TimelineId.parse((++timelineCount).toString(16).padStart(32, '0'));

async function stream(
  node: Node,
  wal: Buffer,
  { chunkSize, inFlightMax }: { readonly chunkSize: number; readonly inFlightMax: number },
): Promise<{ seconds: number; cpuSeconds: number; samplesMs: number[] }> {
  const timelineId = nextTimeline();
  await node.createTimeline(timelineId);
  const proposer = await BenchProposer.lead(node, timelineId);
  const samplesMs: number[] = [];
  const cpuBefore = node.cpuSeconds();
  const started = performance.now();
  for (let at = 0; at < wal.length; at += chunkSize) {
    const sentMs = performance.now();
    proposer.append(Lsn.advance(START_LSN, at), wal.subarray(at, at + chunkSize));
    await proposer.durable(Lsn.of(START_LSN + Math.min(at + chunkSize, wal.length) - inFlightMax + chunkSize));
    samplesMs.push(performance.now() - sentMs);
  }
  await proposer.durable(Lsn.advance(START_LSN, wal.length));
  const seconds = (performance.now() - started) / 1000;
  proposer.close();
  return { seconds, cpuSeconds: node.cpuSeconds() - cpuBefore, samplesMs };
}

/** The least that leads: the bench's own work must not be what is measured. */
class BenchProposer {
  private durableLsn = Lsn.ZERO;
  private wake: () => void = () => undefined;
  private readonly answers: AcceptorMessage[] = [];

  private constructor(private readonly socket: Socket) {
    const decoder = new FrameDecoder(FRAME_SIZE_MAX);
    socket.on('data', (chunk) => {
      for (const frame of decoder.push(chunk)) this.heard(decodeAcceptorMessage(frame));
      this.wake();
    });
  }

  static async lead(node: Node, timelineId: TimelineId): Promise<BenchProposer> {
    const socket = connect({ host: '127.0.0.1', port: node.proposerPort, noDelay: true });
    const proposer = new BenchProposer(socket);
    const token = await node.issuer.issue({ scope: 'timeline', tenantId: TENANT, timelineId });
    const ids = { tenantId: TENANT, timelineId, pgMajor: 17, systemId: SYSTEM_ID, walSegmentSize: SEGMENT_SIZE };
    const base = { membershipGeneration: GENERATION, term: Term.of(1) };
    await proposer.ask({ kind: 'greetingRequest', membership: Membership.founding(GENERATION), identity: ids, token });
    await proposer.ask({ kind: 'voteRequest', ...base });
    const termHistory = TermHistory.append(TermHistory.start(START_LSN), base.term, START_LSN);
    await proposer.ask({ kind: 'electedRequest', ...base, startLsn: START_LSN, termHistory });
    return proposer;
  }

  append(startLsn: Lsn, bytes: Buffer): void {
    this.socket.cork();
    for (let at = 0; at < bytes.length; at += APPEND_SIZE_MAX)
      this.say({
        kind: 'appendRequest',
        membershipGeneration: GENERATION,
        term: Term.of(1),
        startLsn: Lsn.advance(startLsn, at),
        commitLsn: Lsn.ZERO,
        truncateLsn: Lsn.ZERO,
        bytes: bytes.subarray(at, at + APPEND_SIZE_MAX),
      });
    this.socket.uncork();
  }

  async durable(lsn: Lsn): Promise<void> {
    while (this.durableLsn < lsn) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  private async ask(message: ProposerMessage): Promise<void> {
    const count = this.answers.length;
    this.say(message);
    while (this.answers.length === count) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private say(message: ProposerMessage): void {
    this.socket.write(encodeProposerMessage(message));
  }

  private heard(message: AcceptorMessage): void {
    if (message.kind === 'sessionRefused') throw new Error(`refused: ${message.code} ${message.reason}`);
    if (message.kind === 'appendResponse') this.durableLsn = message.durableLsn;
    if (message.kind !== 'appendResponse' || this.answers.length < 3) this.answers.push(message);
  }
}

async function idle(node: Node): Promise<Row[]> {
  await node.restart();
  const startedEmptyMs = node.startMs;
  const empty = await node.memoryBytes();
  const rest = Array.from({ length: IDLE_TIMELINE_COUNT }, nextTimeline);
  const creating = performance.now();
  await Promise.all(
    Array.from({ length: CREATE_CONCURRENCY }, async () => {
      for (let id = rest.pop(); id !== undefined; id = rest.pop()) await node.createTimeline(id);
    }),
  );
  const createMs = (performance.now() - creating) / IDLE_TIMELINE_COUNT;
  await node.restart();
  // The first reports of all timelines are over, and what they needed is free again.
  await sleep(12_000);
  const full = await node.memoryBytes();
  const cpuBefore = node.cpuSeconds();
  await sleep(10_000);
  return [
    duration('start', startedEmptyMs),
    duration(`start with ${IDLE_TIMELINE_COUNT} timelines`, node.startMs),
    duration(`create one of ${IDLE_TIMELINE_COUNT} timelines, ${CREATE_CONCURRENCY} at once`, createMs),
    rate('heap for an idle timeline', (full.heap - empty.heap) / IDLE_TIMELINE_COUNT / 1024, 'KiB'),
    rate('resident memory for an idle timeline', (full.resident - empty.resident) / IDLE_TIMELINE_COUNT / 1024, 'KiB'),
    rate(`CPU of ${IDLE_TIMELINE_COUNT} idle timelines`, (node.cpuSeconds() - cpuBefore) * 10, '%'),
  ];
}

/** The safekeeper's process, its bus and its keys. */
class Node {
  startMs = 0;
  private child: ChildProcess | undefined;
  private incarnation = '';
  private token = '';

  private constructor(
    readonly root: string,
    readonly issuer: TokenIssuer,
    private readonly nats: ChildProcess,
    private readonly natsPort: number,
    readonly proposerPort: number,
    private readonly replicationPort: number,
    private readonly httpPort: number,
  ) {}

  static async start(root: string): Promise<Node> {
    const keys = await generateKeyPair();
    writeFileSync(join(root, 'public.pem'), keys.publicPem);
    mkdirSync(join(root, 'data'));
    const natsPort = await freePort();
    const args = ['-a', '127.0.0.1', '-p', String(natsPort), '-js', '-sd', join(root, 'nats')];
    const nats = spawn('nats-server', args, { stdio: 'ignore' });
    const issuer = await TokenIssuer.fromPem(keys.privatePem);
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const node = new Node(root, issuer, nats, natsPort, ...ports);
    atEnd(() => node.stop());
    node.token = await issuer.issue({ scope: 'management' }, 3_600);
    await node.restart();
    return node;
  }

  async restart(): Promise<void> {
    await this.end();
    const started = performance.now();
    this.child = spawn(process.execPath, [join(CHECKOUT, 'dist/apps/safekeeper/main.cjs')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        NEON_SAFEKEEPER_ID: '1',
        NEON_DATA_DIR: join(this.root, 'data'),
        NEON_PROPOSER_PORT: String(this.proposerPort),
        NEON_REPLICATION_PORT: String(this.replicationPort),
        NEON_HTTP_PORT: String(this.httpPort),
        NEON_NATS_URL: `nats://127.0.0.1:${this.natsPort}`,
        NEON_TOKEN_PUBLIC_KEY_FILE: join(this.root, 'public.pem'),
        NEON_LOG_LEVEL: 'error',
      },
    });
    for (;;) {
      const answer = await this.request('GET', '/v1/status').catch(() => undefined);
      if (answer !== undefined) {
        this.startMs = performance.now() - started;
        this.incarnation = SafekeeperStatus.parse(await answer.json()).incarnation;
        return;
      }
      if (this.child.exitCode !== null) throw new Error('the safekeeper ended');
      await sleep(5);
    }
  }

  async createTimeline(timelineId: TimelineId): Promise<void> {
    const answer = await this.request('PUT', `/v1/tenants/${TENANT}/timelines/${timelineId}`, {
      pgMajor: 17,
      systemId: SYSTEM_ID,
      walSegmentSize: SEGMENT_SIZE,
      startLsn: Lsn.format(START_LSN),
      incarnation: this.incarnation,
    });
    if (!answer.ok) throw new Error(`timeline not created: ${answer.status} ${await answer.text()}`);
  }

  async memoryBytes(): Promise<{ heap: number; resident: number }> {
    const text = await (await this.request('GET', '/metrics')).text();
    const value = (name: string): number => Number(new RegExp(`^${name}(?:{.*})? (.*)$`, 'm').exec(text)?.[1]);
    return { heap: value('neon_process_heap_bytes'), resident: value('neon_process_resident_memory_bytes') };
  }

  cpuSeconds(): number {
    if (this.child?.pid === undefined) throw new Error('the safekeeper does not run');
    return cpuSeconds(this.child.pid);
  }

  private async stop(): Promise<void> {
    await this.end();
    this.nats.kill('SIGTERM');
    await once(this.nats, 'exit');
  }

  private async end(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  private request(method: string, path: string, body?: unknown): Promise<Response> {
    const ask = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${this.httpPort}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    // A connection kept from before may just have been closed; every request here may be asked twice.
    return ask().catch(ask);
  }
}
