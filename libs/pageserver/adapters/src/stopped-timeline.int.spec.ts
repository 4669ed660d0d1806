/** A record that does not fit its page, met by a running pageserver: its timeline stops, everybody else goes on. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Lsn } from '@neon/kernel';
import type { PageAnswer } from '@neon/pageserver-contract';
import { type ApplyDelta, type Timeline, layerName } from '@neon/pageserver-core';
import { type RecordDraft, type RelationId, WalEncoder, applyDelta } from '@neon/postgres';
import { TokenIssuer, TokenVerifier, generateKeyPair } from '@neon/service-token';
import { type Logger, createLogger } from '@neon/telemetry';
import { Housekeeping } from './housekeeping';
import { logStop } from './log-stop';
import { OracleCluster } from './oracle/cluster';
import { PageClient, pageIn } from './oracle/page-client';
import { type OpenedPageserver, named, openPageserver } from './oracle/pageserver';
import { ReplicationServer } from './oracle/replication-server';
import { PageMetrics } from './page/page-metrics';
import { PageServer } from './page/page-server';
import { WalFeeds } from './wal/wal-feeds';

const [POISONED, OTHER] = [named('1'), named('2')];
const RELATION: RelationId = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 99_999 };

/** xl_heap_insert of a tuple of eight bytes; the first on a page builds it. */
const insert = (block: number, offsetNumber: number): RecordDraft => ({
  rmid: 10,
  info: offsetNumber === 1 ? 0x80 : 0,
  xid: 700,
  main: Uint8Array.of(offsetNumber, offsetNumber >> 8, 0),
  blocks: [
    {
      id: 0,
      relation: RELATION,
      block,
      willInit: offsetNumber === 1,
      data: Uint8Array.of(1, 0, 0, 8, 24, 0, 1, 2, 3, 4, 5, 6, 7, 8),
    },
  ],
});
const commit: RecordDraft = { rmid: 1, info: 0, xid: 700, main: new Uint8Array(8) };
const itemsOn = (answer: PageAnswer): number => {
  const page = pageIn(answer, 0);
  return (new DataView(page.buffer, page.byteOffset).getUint16(12, true) - 24) / 4;
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
async function heapBytes(): Promise<number> {
  for (let times = 0; times < 4; times++) {
    await sleep(50);
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** Lines that ask a person to look. */
interface Line {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** The parts of a pageserver process, over one directory. */
class Running {
  private constructor(
    readonly opened: OpenedPageserver,
    readonly feeds: WalFeeds,
    readonly housekeeping: Housekeeping,
    readonly server: PageServer,
    readonly errors: readonly Line[],
  ) {}

  static async start(redo: ApplyDelta = applyDelta): Promise<Running> {
    const errors: Line[] = [];
    const logger = Object.assign(createLogger('spec', 'silent'), {
      error: (fields: Line['fields'], message: string) => void errors.push({ fields, message }),
    } as Partial<Logger>);
    const opened = await openPageserver(directory(), cluster.templates, {}, redo, (timeline, cause) =>
      logStop(logger, timeline, cause),
    );
    const { pageserver } = opened;
    const feeds = new WalFeeds({ token: 'storage-token', pageserverId: 1, logger });
    const server = await PageServer.listen(
      { pageserver, tokens, metrics: new PageMetrics(), logger, waitMs: 60_000 },
      { host: '127.0.0.1', port: 0 },
    );
    for (const timeline of pageserver.all()) await feeds.follow(timeline);
    return new Running(opened, feeds, new Housekeeping(pageserver, logger), server, errors);
  }

  timeline = (name: typeof POISONED): Timeline => this.opened.pageserver.get(name);

  async page(name: typeof POISONED, block: number, lsn: Lsn): Promise<PageAnswer> {
    const client = await PageClient.open(this.server.port);
    try {
      await client.hello(name, token);
      return await client.pages(RELATION, [block], lsn);
    } finally {
      client.close();
    }
  }

  /** As a crash would leave it, but for what is closed. */
  async kill(): Promise<void> {
    await this.server.close();
    await this.feeds.stop();
    await this.housekeeping.stop();
    await this.opened.openFiles.closeAll();
  }
}

/** A timeline's safekeeper. */
class Source {
  private readonly encoder: WalEncoder;
  private readonly startLsn: Lsn;
  private readonly bytes = new Uint8Array(1 << 20);
  private constructor({ index, lastRecordLsn, prevRecordLsn }: Timeline) {
    const { systemId, walSegmentSize: segmentSize, pgMajor: major } = index;
    this.startLsn = lastRecordLsn;
    this.encoder = new WalEncoder({ major, segmentSize, startLsn: lastRecordLsn, prevLsn: prevRecordLsn, systemId });
  }
  server!: ReplicationServer;

  static async of(timeline: Timeline): Promise<Source> {
    const source = new Source(timeline);
    const { startLsn, bytes } = source;
    source.server = await ReplicationServer.listen({ startLsn, bytes }, startLsn);
    await timeline.setSafekeepers([{ id: 1, host: '127.0.0.1', replicationPort: source.server.port }]);
    return source;
  }

  append(...drafts: readonly RecordDraft[]): Lsn {
    for (const draft of drafts) {
      const at = this.encoder.endLsn - this.startLsn;
      this.bytes.set(this.encoder.append(draft).bytes, at);
    }
    this.server.commit(this.encoder.endLsn);
    return this.encoder.endLsn;
  }
}

let cluster: OracleCluster;
let tokens: TokenVerifier;
let token: string;
let running: Running;
let source: Source;
let other: Source;
let otherItems = 1;
let good: Lsn;
let last: Lsn;
const directory = (): string => join(cluster.directory, 'pageserver');

beforeAll(async () => {
  cluster = await OracleCluster.create();
  const keys = await generateKeyPair();
  token = await (await TokenIssuer.fromPem(keys.privatePem)).issue({ scope: 'management' });
  tokens = await TokenVerifier.fromPem(keys.publicPem);
  running = await Running.start();
  const [first, second] = [
    await running.opened.pageserver.create(POISONED, { mode: 'bootstrap', pgMajor: 17 }),
    await running.opened.pageserver.create(OTHER, { mode: 'bootstrap', pgMajor: 17 }),
  ];
  [source, other] = [await Source.of(first), await Source.of(second)];
  for (const timeline of [first, second]) await running.feeds.follow(timeline);
  other.append(insert(0, 1));
  good = source.append(insert(0, 1), insert(1, 1), commit);
  last = source.append(insert(0, 290), insert(1, 2), commit);
  await first.waitFor(last, AbortSignal.timeout(60_000));
});
afterAll(async () => {
  await running.kill();
  for (const { server } of [source, other]) await server.close();
  await cluster.destroy();
});

/** The other timeline ingests, and serves what it ingested. */
async function expectOtherGoesOn(): Promise<void> {
  const lsn = other.append(insert(0, ++otherItems), commit);
  await running.timeline(OTHER).waitFor(lsn, AbortSignal.timeout(60_000));
  expect(itemsOn(await running.page(OTHER, 0, lsn))).toBe(otherItems);
  expect(running.timeline(OTHER).stopped).toBeNull();
}

const UNREADABLE =
  /^Heap\/INSERT at 0\/[0-9A-F]+ cannot be applied to relation 1663\/5\/99999 fork 0 block 0: cannot put item 290/;

async function expectStoppedOnPage(): Promise<void> {
  expect(await running.page(POISONED, 0, last)).toMatchObject({
    type: 'error',
    code: 'Corrupt',
    message: expect.stringMatching(
      `timeline ${POISONED.tenantId}/${POISONED.timelineId}: ${UNREADABLE.source.slice(1)}`,
    ) as string,
  });
  expect(running.timeline(POISONED).stopped).toMatch(UNREADABLE);
  expect(itemsOn(await running.page(POISONED, 0, good))).toBe(1);
  expect(itemsOn(await running.page(POISONED, 1, last))).toBe(2);
  expect(await running.page(POISONED, 1, source.append(commit))).toMatchObject({ code: 'TimelineStopped' });
  expect(running.timeline(POISONED).lastRecordLsn).toBe(last);
}

it('the page is an error, its timeline stops, and the other ingests and serves all the while', async () => {
  await expectOtherGoesOn();
  await expectStoppedOnPage();
  await expectOtherGoesOn();
  for (let waited = 0; running.feeds.connectedCount !== 1 && waited < 600; waited++) await sleep(100);
  expect(running.feeds.connectedCount).toBe(1);
});

it('however often it is read, one line asks a person to look, and it names the timeline', async () => {
  const client = await PageClient.open(running.server.port);
  await client.hello(POISONED, token);
  const answers = await Promise.all(Array.from({ length: 1000 }, () => client.pages(RELATION, [0], last)));
  client.close();
  expect(answers.every((answer) => answer.type === 'error' && answer.code === 'Corrupt')).toBe(true);
  expect(running.errors).toEqual([
    {
      message: 'timeline stopped',
      fields: expect.objectContaining({
        ...POISONED,
        reason: expect.stringMatching(UNREADABLE) as string,
        stack: expect.stringContaining('applyDelta') as string,
      }) as Line['fields'],
    },
  ]);
});

it('P4: requests that fail leave no memory behind', async () => {
  const client = await PageClient.open(running.server.port);
  await client.hello(POISONED, token);
  const beyond = Lsn.advance(last, 8);
  const ask = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, k) => client.pages(RELATION, [0], k % 2 === 0 ? last : beyond)),
      );
  };
  await ask(10_000);
  const before = await heapBytes();
  await ask(20_000);
  expect((await heapBytes()) - before).toBeLessThan(2 * 1024 * 1024);
  client.close();
});

it('a branch from before it has the page, and takes writes', async () => {
  const branch = await running.opened.pageserver.create(named('3'), {
    mode: 'branch',
    ancestorTimelineId: POISONED.timelineId,
    at: { kind: 'lsn', lsn: good },
  });
  const branchSource = await Source.of(branch);
  await running.feeds.follow(branch);
  const lsn = branchSource.append(insert(0, 2), commit);
  await branch.waitFor(lsn, AbortSignal.timeout(60_000));
  expect(itemsOn(await running.page(named('3'), 0, lsn))).toBe(2);
  expect(branch.stopped).toBeNull();
  await running.feeds.leave(branch);
  await running.opened.pageserver.delete(named('3'), async () => undefined);
  await branchSource.server.close();
});

it('what it had ingested is written out without being asked for, and is compacted', async () => {
  const timeline = running.timeline(POISONED);
  for (let waited = 0; timeline.index.unreadable === null && waited < 600; waited++) await sleep(100);
  expect(timeline.diskConsistentLsn).toBe(last);
  expect(timeline.memorySizeBytes).toBe(0);
  await running.housekeeping.compact(timeline, { force: true });
  expect(timeline.layerMap.deltas.layers.map(({ level }) => level)).toEqual([1]);
  await expectStoppedOnPage();
});

it('a restart finds it stopped, at the same record, before anybody reads the page', async () => {
  await running.kill();
  running = await Running.start();
  const timeline = running.timeline(POISONED);
  for (let waited = 0; timeline.stopped === null && waited < 600; waited++) await sleep(100);
  expect(timeline.lastRecordLsn).toBe(last);
  expect(running.errors).toHaveLength(1);
  await expectStoppedOnPage();
  await expectOtherGoesOn();
});

it('a program that can apply the record goes on where ingest stopped', async () => {
  await running.kill();
  running = await Running.start((page, delta, context) => {
    try {
      applyDelta(page, delta, context);
    } catch {
      return;
    }
  });
  const lsn = source.append(commit);
  await running.timeline(POISONED).waitFor(lsn, AbortSignal.timeout(60_000));
  expect((await running.page(POISONED, 1, lsn)).type).toBe('pages');
  expect(running.timeline(POISONED).index.unreadable).toBeNull();
  expect(running.errors).toEqual([]);
});

it('K2: housekeeping that fails on one timeline is tried again after pauses, and leaves no files', async () => {
  const timeline = running.timeline(POISONED);
  await timeline.writeOut();
  const layers = join(directory(), 'tenants', POISONED.tenantId, POISONED.timelineId);
  for (let i = 0; i < 4; i++) {
    await timeline.waitFor(source.append(commit), AbortSignal.timeout(60_000));
    await timeline.writeOut();
  }
  for (const layer of timeline.layerMap.deltas.layers.filter(({ level }) => level === 0)) {
    const path = join(layers, layerName(layer));
    writeFileSync(path, readFileSync(path).fill(0xff, 20, 60));
  }
  const before = readdirSync(layers).sort();
  const failures = (): Line[] => running.errors.filter(({ message }) => message === 'housekeeping failed');
  for (let waited = 0; failures().length < 2 && waited < 600; waited++) await sleep(100);
  await sleep(2_000);
  const pauses = failures().map(({ fields }) => fields['pauseMs']);
  // The third is due in four seconds; a machine that is busy may see it.
  expect(pauses).toEqual([2_000, 4_000, 8_000].slice(0, pauses.length));
  expect(readdirSync(layers).sort()).toEqual(before);
  await expectOtherGoesOn();
});

it('P3: an error in answering ends its connection and no other', async () => {
  const metrics = Object.assign(new PageMetrics(), {
    answered: () => {
      throw new TypeError('a bug');
    },
  });
  const logger = createLogger('spec', 'silent');
  const { pageserver } = running.opened;
  const server = await PageServer.listen(
    { pageserver, tokens, metrics, logger, waitMs: 300 },
    { host: '127.0.0.1', port: 0 },
  );
  try {
    for (const ask of ['getPages', 'getBasebackup'] as const) {
      const client = await PageClient.open(server.port);
      await client.hello(OTHER, token);
      const { lastRecordLsn } = running.timeline(OTHER);
      const asked = ask === 'getPages' ? client.pages(RELATION, [0], lastRecordLsn) : client.basebackup(lastRecordLsn);
      asked.then(
        () => undefined,
        () => undefined,
      );
      await client.closed;
    }
    await expectOtherGoesOn();
  } finally {
    await server.close();
  }
});
