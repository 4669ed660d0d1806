/**
 * A safekeeper in a process of its own among peers that misbehave on either of its protocols: conversations recorded from a
 * proposer and from pg_receivewal, changed by seed; peers that are slow, silent or many.
 *
 *   WI1  The process lives on, in bounded memory, and answers.
 *   WI2  A correct proposer and a correct reader of another timeline notice nothing.
 *   WI3  Whatever a timeline was told, its log is a beginning of the WAL that its proposer had, and no less than was committed.
 *   WI4  Every refusal has a code that the protocol knows, and no line of the log shows a token.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, promisify } from 'node:util';
import {
  DEFAULT_TIMING,
  FRAME_SIZE_MAX,
  Membership,
  type ProposerMessage,
  REFUSAL_CODES,
  TermHistory,
  decodeAcceptorMessage,
  decodeProposerMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { ByteReadError, FrameDecoder, Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { SafekeeperStatus, TimelineDetail } from '@neon/safekeeper-contract';
import { type Claims, TokenIssuer, generateKeyPair } from '@neon/service-token';
import { SeededRandom, cut, mutate, withLength } from '@neon/simulation';
import { ProposerClient } from './testing/proposer-client';
import { Tap, sendPieces } from './testing/raw-peer';
import { type RealWal, makeRealWal } from './testing/real-wal';
import { SafekeeperProcess, Surroundings } from './testing/safekeeper-process';
import { WalReader } from './testing/wal-reader';

const run = promisify(execFile);
const ID = SafekeeperId.of(1);
const TENANT = TenantId.parse('aa'.repeat(16));
const SEGMENT_SIZE = 16 * 1024 * 1024;
const CASES = 300;
const BATCH = 20;
const MEMORY_MAX = 700 * 1024 * 1024;
/** As Debian has them. */
const CLIENTS = '/usr/lib/postgresql/15/bin';

const root = mkdtempSync(join(tmpdir(), 'safekeeper-wire-'));
let surroundings: Surroundings;
let safekeeper: SafekeeperProcess;
let wal: RealWal;
let timelineCount = 0;
const tokens = new Set<string>();

beforeAll(async () => {
  surroundings = await Surroundings.start(root);
  // pg_receivewal of Debian reads from servers of its own version at most.
  wal = await makeRealWal(['CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 10000) i'], 15);
  safekeeper = await SafekeeperProcess.start(surroundings, { dataDir: join(root, 'data') });
});
afterAll(async () => {
  await safekeeper.end('SIGTERM');
  await surroundings.stop();
  rmSync(root, { recursive: true, force: true });
});

async function tokenFor(claims: Claims, expiresInSeconds?: number): Promise<string> {
  const token = await surroundings.issuer.issue(claims, expiresInSeconds);
  tokens.add(token);
  return token;
}

async function management(method: string, path: string, body?: unknown): Promise<unknown> {
  const token = await tokenFor({ scope: 'management' });
  const response = await fetch(`http://127.0.0.1:${safekeeper.ports.httpPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

const pathOf = (timelineId: TimelineId): string => `/v1/tenants/${TENANT}/timelines/${timelineId}`;
const detail = async (timelineId: TimelineId): Promise<TimelineDetail> =>
  TimelineDetail.parse(await management('GET', pathOf(timelineId)));

async function createTimeline(): Promise<TimelineId> {
  const { incarnation } = SafekeeperStatus.parse(await management('GET', '/v1/status'));
  const timelineId = TimelineId.parse((++timelineCount).toString(16).padStart(32, '0'));
  const { pgMajor, systemId } = wal;
  const startLsn = Lsn.format(wal.startLsn);
  await management('PUT', pathOf(timelineId), {
    pgMajor,
    systemId,
    walSegmentSize: SEGMENT_SIZE,
    startLsn,
    incarnation,
  });
  return timelineId;
}

const identityOf = (timelineId: TimelineId) => ({
  tenantId: TENANT,
  timelineId,
  pgMajor: wal.pgMajor,
  systemId: wal.systemId,
  walSegmentSize: SEGMENT_SIZE,
});

async function propose(timelineId: TimelineId, port = safekeeper.ports.proposerPort): Promise<ProposerClient> {
  const token = await tokenFor({ scope: 'timeline', tenantId: TENANT, timelineId });
  const config = { identity: identityOf(timelineId), membership: Membership.founding(1), safekeepers: [ID], token };
  return new ProposerClient({ ...config, timing: DEFAULT_TIMING }, new Map([[ID, port]]));
}

const settingsOf = (timelineId: TimelineId, term?: number): string =>
  `-c tenant_id=${TENANT} -c timeline_id=${timelineId}${term === undefined ? '' : ` -c term=${term}`}`;

async function reader(timelineId: TimelineId, term?: number): Promise<WalReader> {
  const token = await tokenFor({ scope: 'storage' });
  const port = safekeeper.ports.replicationPort;
  return WalReader.open({ port, settings: settingsOf(timelineId, term), token });
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt++) {
    if (attempt > 2400) throw new Error(`never: ${what}`);
    await sleep(25);
  }
}

/** WI1. */
async function requireHealthy(): Promise<void> {
  await management('GET', '/v1/status');
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${safekeeper.pid}/status`, 'utf8'))?.[1];
  expect(Number(resident) * 1024).toBeLessThan(MEMORY_MAX);
}

/** WI4. */
function requireCleanLog(): void {
  const log = safekeeper.log();
  for (const token of tokens) expect(log.includes(token.slice(-40))).toBe(false);
  for (const line of log.split('\n').filter((text) => text.startsWith('{'))) {
    const entry = JSON.parse(line) as { level: string; msg: string; code?: string; sqlState?: string; reason?: string };
    expect([entry.level, entry.msg]).not.toEqual(['error', expect.anything()]);
    if (entry.msg === 'proposer refused') expect(REFUSAL_CODES).toContain(entry.code);
    if (entry.msg === 'replication connection ended')
      expect([entry.sqlState, entry.reason]).not.toEqual(['XX000', expect.anything()]);
  }
}

/** WI3, of a log at rest: what peers said before they left may still cut it, and let it grow again, while it is read. */
async function requireLogOf(timelineId: TimelineId, commitLsn: Lsn): Promise<void> {
  await until('the log is a beginning of the WAL', async () => {
    const before = await positionOf(timelineId);
    // That it is committed the safekeeper may still have to hear; that it holds it is what makes it so.
    expect(before.flushLsn).toBeGreaterThanOrEqual(Lsn.max(commitLsn, before.commitLsn));
    const log = await logOf(timelineId, before);
    if (log === undefined || !log.equals(wal.bytes.subarray(0, log.length))) return false;
    return isDeepStrictEqual(await positionOf(timelineId), before);
  });
}

async function positionOf(timelineId: TimelineId) {
  const { term, termHistory, flushLsn, commitLsn } = await detail(timelineId);
  return { term, termHistory, flushLsn: Lsn.parse(flushLsn), commitLsn: Lsn.parse(commitLsn) };
}

/** Undefined when its term is over. */
async function logOf(
  timelineId: TimelineId,
  { term, flushLsn }: { term: number; flushLsn: Lsn },
): Promise<Buffer | undefined> {
  if (flushLsn === wal.startLsn) return Buffer.alloc(0);
  const donor = await reader(timelineId, term);
  try {
    await donor.start(wal.startLsn);
    return await donor.read(wal.startLsn, flushLsn);
  } catch (error) {
    if (!String(error).includes('is over, here it is')) throw error;
    return undefined;
  } finally {
    donor.close();
  }
}

/** WI2: writes a little WAL now and then, and reads it back. */
class Witness {
  private at = 0;
  private readonly timer: NodeJS.Timeout;
  private writing = Promise.resolve();
  private readonly read: Promise<Buffer>;

  private constructor(
    private readonly proposer: ProposerClient,
    private readonly reader: WalReader,
  ) {
    this.read = reader.read(wal.startLsn, wal.endLsn);
    this.read.catch(() => undefined);
    this.timer = setInterval(() => this.write(2_000), 50);
  }

  static async start(): Promise<Witness> {
    const timelineId = await createTimeline();
    const proposer = await propose(timelineId);
    await proposer.recovered();
    const opened = await reader(timelineId);
    await opened.start(wal.startLsn);
    return new Witness(proposer, opened);
  }

  private write(size: number): void {
    const startLsn = Lsn.advance(wal.startLsn, this.at);
    const bytes = wal.bytes.subarray(this.at, this.at + size);
    this.at += bytes.length;
    if (bytes.length > 0) this.writing = this.writing.then(() => this.proposer.write(startLsn, bytes));
  }

  async requireUndisturbed(): Promise<void> {
    clearInterval(this.timer);
    this.write(wal.bytes.length);
    await this.writing;
    await this.proposer.committed(wal.endLsn);
    expect((await this.read).equals(wal.bytes)).toBe(true);
    expect([this.proposer.deposedBy, this.proposer.refusals, this.proposer.lostCount]).toEqual([undefined, [], 0]);
    this.proposer.close();
    this.reader.close();
  }
}

/** A proposer's whole conversation with a timeline of its own. */
async function recordProposer(): Promise<ProposerMessage[]> {
  const timelineId = await createTimeline();
  const tap = await Tap.open(safekeeper.ports.proposerPort);
  const proposer = await propose(timelineId, tap.port);
  await proposer.recovered();
  for (let at = 0; at < 400_000; at += 100_000) {
    await proposer.write(Lsn.advance(wal.startLsn, at), wal.bytes.subarray(at, at + 100_000));
    await sleep(50);
  }
  await proposer.until(() => proposer.commitLsn > Lsn.advance(wal.startLsn, 300_000));
  proposer.close();
  tap.close();
  return [...new FrameDecoder(FRAME_SIZE_MAX).push(Buffer.concat(tap.said))].map(decodeProposerMessage);
}

/** The same conversation with another timeline, in another term. */
async function translated(said: readonly ProposerMessage[], timelineId: TimelineId, number: number) {
  const token = await tokenFor({ scope: 'timeline', tenantId: TENANT, timelineId });
  const term = Term.of(number);
  return said.map((message) => {
    if (message.kind === 'greetingRequest')
      return encodeProposerMessage({ ...message, identity: identityOf(timelineId), token });
    if (message.kind !== 'electedRequest') return encodeProposerMessage({ ...message, term });
    const termHistory = TermHistory.append(TermHistory.start(wal.startLsn), term, wal.startLsn);
    return encodeProposerMessage({ ...message, term, termHistory });
  });
}

const answersOf = (bytes: Uint8Array) => {
  try {
    return [...new FrameDecoder(FRAME_SIZE_MAX).push(bytes)].map(decodeAcceptorMessage);
  } catch (error) {
    if (error instanceof ByteReadError) return undefined;
    throw error;
  }
};

test('changed conversations of a proposer harm nobody (WI1–WI4)', async () => {
  const said = await recordProposer();
  expect(said.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['greetingRequest', 'voteRequest', 'electedRequest']),
  );
  const witness = await Witness.start();
  let refusedCount = 0;
  for (let first = 1; first <= CASES; first += BATCH) {
    const timelineId = await createTimeline();
    const cases = Array.from({ length: BATCH }, async (_, index) => {
      const random = new SeededRandom(first + index);
      const messages = mutate(await translated(said, timelineId, 1 + index), random);
      // A greeting as it was lets what follows in.
      if (random.chance(0.7)) messages.splice(0, 1, (await translated(said, timelineId, 1))[0] ?? new Uint8Array(0));
      const pieces = cut(random.chance(0.8) ? messages.map(withLength) : messages, random);
      const heard = await sendPieces(safekeeper.ports.proposerPort, pieces, { timeoutMs: 400 });
      const answers = answersOf(heard.bytes);
      expect(answers).toBeDefined();
      if (answers?.at(-1)?.kind === 'sessionRefused') refusedCount++;
    });
    await Promise.all(cases);
    await requireLogOf(timelineId, wal.startLsn);
    // Whatever it was told, a correct proposer leads it in the end.
    const proposer = await propose(timelineId);
    const position = await proposer.recovered();
    await proposer.write(position, wal.bytes.subarray(position - wal.startLsn, position - wal.startLsn + 200_000));
    await until('it commits', () => proposer.commitLsn > position || position === wal.endLsn);
    const { commitLsn } = proposer;
    proposer.close();
    await requireLogOf(timelineId, commitLsn);
    await requireHealthy();
  }
  expect(refusedCount).toBeGreaterThan(CASES / 4);
  await witness.requireUndisturbed();
  requireCleanLog();
});

const receivewalThere = existsSync(join(CLIENTS, 'pg_receivewal'));
(receivewalThere ? test : test.skip)('changed conversations of pg_receivewal harm nobody (WI1–WI4)', async () => {
  const timelineId = await createTimeline();
  const proposer = await propose(timelineId);
  await proposer.recovered();
  await proposer.write(wal.startLsn, wal.bytes);
  await proposer.committed(wal.endLsn);
  proposer.close();
  const tap = await Tap.open(safekeeper.ports.replicationPort);
  const client = await receiveWal(tap.port, timelineId);
  const said = await recordedFrom(tap, client);
  const witness = await Witness.start();
  let refusedCount = 0;
  for (let first = 1; first <= CASES; first += BATCH) {
    const cases = Array.from({ length: BATCH }, async (_, index) => {
      const random = new SeededRandom(first + index);
      const pieces = cut(mutate(said, random), random);
      const heard = await sendPieces(safekeeper.ports.replicationPort, pieces, { timeoutMs: 400 });
      if (heard.isClosed && heard.bytes.includes('FATAL')) refusedCount++;
    });
    await Promise.all(cases);
    await requireHealthy();
  }
  expect(refusedCount).toBeGreaterThan(CASES / 10);
  await requireLogOf(timelineId, wal.endLsn);
  await witness.requireUndisturbed();
  requireCleanLog();
});

async function receiveWal(port: number, timelineId: TimelineId): Promise<ChildProcess> {
  const token = await tokenFor({ scope: 'timeline', tenantId: TENANT, timelineId });
  const conninfo = `host=127.0.0.1 port=${port} user=x options='${settingsOf(timelineId)}'`;
  const directory = mkdtempSync(join(root, 'received-'));
  const args = ['-d', conninfo, '-D', directory, '--synchronous', '--status-interval=1'];
  return spawn(join(CLIENTS, 'pg_receivewal'), args, { env: { PGPASSWORD: token, LC_ALL: 'C' }, stdio: 'ignore' });
}

/** It streams, tells how far it is, and leaves as it does when it is told to. */
async function recordedFrom(tap: Tap, client: ChildProcess): Promise<Buffer[]> {
  await until('it has begun to stream', () => Buffer.concat(tap.said).includes('START_REPLICATION'));
  await sleep(2_500);
  await until('it has told how far it is', () => tap.said.length > 5);
  client.kill('SIGINT');
  await until('it has left', () => client.exitCode !== null);
  tap.close();
  return tap.said;
}

describe('peers that are slow or silent (WI1)', () => {
  const startup = (size: number): Buffer => {
    const packet = Buffer.alloc(8);
    packet.writeInt32BE(size, 0);
    packet.writeInt32BE(196_608, 4);
    return packet;
  };

  test('that never finish to say who they are are sent away, though they always say a little more', async () => {
    const drip = Array.from({ length: 60 }, () => Buffer.from('x'));
    const slowly = { timeoutMs: 29_000, pauseMs: 500 };
    const frame = Buffer.from([0, 0, 0x10, 0, 1]);
    const [proposer, replication, idle] = await Promise.all([
      sendPieces(safekeeper.ports.proposerPort, [frame, ...drip], slowly),
      sendPieces(safekeeper.ports.replicationPort, [startup(1_000), ...drip], slowly),
      sendPieces(safekeeper.ports.replicationPort, [], slowly),
    ]);
    for (const { isClosed, elapsedMs } of [proposer, replication, idle]) {
      expect(isClosed).toBe(true);
      expect(elapsedMs).toBeGreaterThan(9_000);
    }
    expect(answersOf(proposer.bytes)).toEqual([
      { kind: 'sessionRefused', code: 'MalformedMessage', reason: 'no greeting in time' },
    ]);
    expect(replication.bytes.toString('latin1')).toContain('no startup packet and password in time');
  });

  test('with lengths that are too long are refused at once', async () => {
    const soon = { timeoutMs: 30_000 };
    for (const length of [0, 0x7fff_ffff, 0xffff_ffff]) {
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(length, 0);
      const heard = await sendPieces(safekeeper.ports.proposerPort, [frame], soon);
      expect(answersOf(heard.bytes)).toMatchObject([
        { code: 'MalformedMessage', reason: expect.stringContaining('limit') },
      ]);
      const other = await sendPieces(safekeeper.ports.replicationPort, [startup(length | 0)], soon);
      expect(other.bytes.toString('latin1')).toContain('invalid length of startup packet');
    }
    // More than a greeting needs, in frames that are well-formed.
    const heard = await sendPieces(
      safekeeper.ports.proposerPort,
      [Buffer.from([0, 0, 0xff, 0]), Buffer.alloc(20_000)],
      soon,
    );
    expect(answersOf(heard.bytes)).toMatchObject([{ reason: 'more than 16384 bytes before the greeting' }]);
  });

  test('that do not read what they asked for cost no memory, and nobody else notices', async () => {
    const timelineId = await createTimeline();
    const witness = await Witness.start();
    const writer = await propose(timelineId);
    await writer.recovered();
    await writer.write(wal.startLsn, wal.bytes);
    await writer.committed(wal.endLsn);
    writer.close();
    const deaf = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const opened = await reader(timelineId);
        await opened.start(wal.startLsn);
        opened.pause();
        return opened;
      }),
    );
    // A proposer that asks for votes without end, and reads no answer.
    const said = await translated([{ kind: 'voteRequest', membershipGeneration: 1, term: Term.of(9) }], timelineId, 9);
    const token = await tokenFor({ scope: 'timeline', tenantId: TENANT, timelineId });
    const identity = identityOf(timelineId);
    const greeting = { kind: 'greetingRequest' as const, membership: Membership.founding(1), identity, token };
    const socket = connect({ host: '127.0.0.1', port: safekeeper.ports.proposerPort });
    socket.on('error', () => undefined);
    socket.write(encodeProposerMessage(greeting));
    const flood = Buffer.concat(Array.from({ length: 10_000 }, () => said[0] ?? new Uint8Array(0)));
    for (let round = 0; round < 100 && !socket.destroyed; round++) {
      socket.write(flood);
      await sleep(20);
    }
    await requireHealthy();
    await witness.requireUndisturbed();
    for (const opened of deaf) opened.close();
    socket.destroy();
    requireCleanLog();
  });
});

describe('who is not who they should be', () => {
  const greet = async (
    change: { identity?: Partial<ReturnType<typeof identityOf>>; token?: string },
    timelineId: TimelineId,
  ) => {
    const token = change.token ?? (await tokenFor({ scope: 'timeline', tenantId: TENANT, timelineId }));
    const identity = { ...identityOf(timelineId), ...change.identity };
    const greeting = { kind: 'greetingRequest' as const, membership: Membership.founding(1), identity, token };
    const { proposerPort } = safekeeper.ports;
    const heard = await sendPieces(proposerPort, [encodeProposerMessage(greeting)], { timeoutMs: 8_000 });
    const [answer] = answersOf(heard.bytes) ?? [];
    return answer?.kind === 'sessionRefused' ? `${answer.code}: ${answer.reason}` : answer?.kind;
  };

  test('a proposer of another cluster, major or segment size is told which', async () => {
    const timelineId = await createTimeline();
    expect(await greet({}, timelineId)).toBe('greetingResponse');
    expect(await greet({ identity: { systemId: SystemId.parse('12') } }, timelineId)).toMatch(
      /^IdentityMismatch: .*12/,
    );
    expect(await greet({ identity: { pgMajor: 16 } }, timelineId)).toMatch(/^IdentityMismatch: .*16.*15/);
    expect(await greet({ identity: { walSegmentSize: 1024 * 1024 } }, timelineId)).toMatch(
      /^IdentityMismatch: .*1048576.*16777216/,
    );
  });

  test('a proposer of a timeline that is not here, and one whose token is not for it, are told so', async () => {
    const timelineId = await createTimeline();
    const unknown = TimelineId.parse('ee'.repeat(16));
    const stranger = TenantId.parse('cc'.repeat(16));
    expect(await greet({}, unknown)).toMatch(/^TimelineUnknown: /);
    const ofStranger = await tokenFor({ scope: 'timeline', tenantId: stranger, timelineId });
    expect(await greet({ identity: { tenantId: stranger }, token: ofStranger }, timelineId)).toMatch(
      /^TimelineUnknown: /,
    );
    const NOT_FOR_IT = 'Unauthorized: the token is not for this timeline';
    expect(await greet({ token: ofStranger }, timelineId)).toBe(NOT_FOR_IT);
    for (const scope of ['storage', 'management'] as const)
      expect(await greet({ token: await tokenFor({ scope }) }, timelineId)).toBe(NOT_FOR_IT);
    expect(await greet({ token: '' }, timelineId)).toBe('Unauthorized: token refused: malformed');
    const claims = { scope: 'timeline' as const, tenantId: TENANT, timelineId };
    expect(await greet({ token: await tokenFor(claims, -60) }, timelineId)).toBe(
      'Unauthorized: token refused: expired',
    );
    const other = await TokenIssuer.fromPem((await generateKeyPair()).privatePem);
    expect(await greet({ token: await other.issue(claims) }, timelineId)).toBe(
      'Unauthorized: token refused: signed by another key',
    );
  });

  (existsSync(join(CLIENTS, 'psql')) ? test : test.skip)(
    'psql shows why it is not let in, or what cannot be done here',
    async () => {
      const timelineId = await createTimeline();
      const storage = await tokenFor({ scope: 'storage' });
      const psql = async (
        { token = storage, options = settingsOf(timelineId), replication = 'true' },
        command = 'IDENTIFY_SYSTEM',
      ) => {
        const { replicationPort: port } = safekeeper.ports;
        const conninfo = `host=127.0.0.1 port=${port} user=x dbname=x replication=${replication} options='${options}'`;
        const env = { LC_ALL: 'C', ...(token === '' ? {} : { PGPASSWORD: token }) };
        const args = ['-X', '-w', '-At', '-c', command, conninfo];
        const result = run(join(CLIENTS, 'psql'), args, { env });
        return result.then(
          ({ stdout }) => stdout.trim(),
          (error: { stderr: string }) => error.stderr.trim(),
        );
      };
      const start = Lsn.format(wal.startLsn);
      expect(await psql({})).toBe(`${wal.systemId}|1|${start}|`);
      expect(await psql({ token: 'wrong' })).toContain('FATAL:  token refused: malformed');
      expect(await psql({ token: '' })).toContain('no password supplied');
      const claims = { scope: 'timeline' as const, tenantId: TENANT, timelineId };
      expect(await psql({ token: await tokenFor(claims) })).toContain(wal.systemId);
      expect(await psql({ token: await tokenFor(claims, -60) })).toContain('FATAL:  token refused: expired');
      expect(await psql({ token: await tokenFor({ scope: 'management' }) })).toContain(
        'the token is not for this timeline',
      );
      const ofOther = await tokenFor({ ...claims, tenantId: 'cc'.repeat(16) });
      expect(await psql({ token: ofOther })).toContain('the token is not for this timeline');
      const unknown = settingsOf(TimelineId.parse('ee'.repeat(16)));
      expect(await psql({ options: unknown })).toContain('FATAL:  no timeline');
      expect(await psql({ options: '' })).toContain('FATAL:  options must name tenant_id and timeline_id');
      expect(await psql({ replication: 'false' })).toContain('connect with replication=true');
      expect(await psql({ replication: 'database' })).toContain('for logical replication connect to the compute');
      expect(await psql({}, 'SELECT 1')).toContain('FATAL:  not understood: SELECT 1');
      expect(await psql({}, 'SHOW data_checksums')).toContain('parameter data_checksums is not known here');
      expect(await psql({}, "BASE_BACKUP LABEL 'x'")).toContain(
        'take the base backup from a Postgres of this timeline',
      );
      expect(await psql({}, 'START_REPLICATION 0/1 TIMELINE 2')).toContain(
        "timeline 2 is not in this server's history",
      );
      expect(await psql({}, 'START_REPLICATION 0/1000')).toContain(`WAL of this timeline begins at ${start}`);
      requireCleanLog();
    },
  );
});
