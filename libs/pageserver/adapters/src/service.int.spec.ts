/** The pageserver over its real protocols: WAL from a replication stream, pages and basebackups over TCP, branches. */
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { BasebackupManifest } from '@neon/pageserver-contract';
import { type Timeline, type TimelineName, basebackup } from '@neon/pageserver-core';
import { Checkpoint } from '@neon/postgres';
import { TokenIssuer, TokenVerifier, generateKeyPair } from '@neon/service-token';
import { createLogger } from '@neon/telemetry';
import { extract } from 'tar-stream';
import { OracleCluster } from './oracle/cluster';
import { compareCluster } from './oracle/compare';
import { PageClient, pageIn } from './oracle/page-client';
import { type OpenedPageserver, named, openPageserver } from './oracle/pageserver';
import { ReplicationServer } from './oracle/replication-server';
import { PageMetrics } from './page/page-metrics';
import { PageServer } from './page/page-server';
import { WalFeeds } from './wal/wal-feeds';

const logger = createLogger('spec', 'silent');
/** The driver cuts times off at milliseconds: in the next one, everything until then has committed. */
const timestampAfter = ({ at }: { at: Date }): number => (at.getTime() + 1) * 1000;
const never = new AbortController().signal;

let cluster: OracleCluster;
let opened: OpenedPageserver;
let timeline: Timeline;
let source: ReplicationServer;
let feeds: WalFeeds;
let server: PageServer;
let token: string;
let endLsn: Lsn;
let table: { oid: number; blocks: number };
const marks: { lsn: Lsn; at: Date; rows: number }[] = [];

beforeAll(async () => {
  cluster = await OracleCluster.create();
  const templatesOnly = await openPageserver(join(cluster.directory, 'pageserver'), cluster.templates);
  opened = templatesOnly;
  timeline = await opened.pageserver.create(named('1'), { mode: 'bootstrap', pgMajor: 17 });
  await cluster.start();
  await cluster.run(['create table t (id int primary key, v text)']);
  const client = await cluster.connect();
  for (let i = 1; i <= 3; i++) {
    await client.query(
      `insert into t select i, repeat('v', 100) from generate_series(${i * 1000}, ${i * 1000 + 999}) i`,
    );
    const { rows } = await client.query<{ lsn: string; at: Date }>(
      'select pg_current_wal_insert_lsn()::text lsn, clock_timestamp() at',
    );
    marks.push({ lsn: Lsn.parse(rows[0]!.lsn), at: rows[0]!.at, rows: i * 1000 });
    await new Promise((done) => setTimeout(done, 20));
  }
  const { rows } = await client.query<{ oid: number; blocks: string }>(
    "select relfilenode::int oid, pg_relation_size('t') / 8192 blocks from pg_class where relname = 't'",
  );
  table = { oid: rows[0]!.oid, blocks: Number(rows[0]!.blocks) };
  await client.end();
  await cluster.stop();
  endLsn = Lsn.advance(cluster.checkpointLsn(), 120);
  const startLsn = timeline.index.startLsn;
  const bytes = Buffer.concat([...cluster.wal(startLsn)].map((piece) => piece.bytes));
  source = await ReplicationServer.listen({ startLsn, bytes }, marks[0]!.lsn);

  const keys = await generateKeyPair();
  const issuer = await TokenIssuer.fromPem(keys.privatePem);
  token = await issuer.issue({ scope: 'management' });
  const tokens = await TokenVerifier.fromPem(keys.publicPem);
  feeds = new WalFeeds({ token: 'storage-token', pageserverId: 1, logger });
  server = await PageServer.listen(
    { pageserver: opened.pageserver, tokens, metrics: new PageMetrics(), logger, waitMs: 8_000 },
    { host: '127.0.0.1', port: 0 },
  );
  await timeline.setSafekeepers([{ id: 1, host: '127.0.0.1', replicationPort: source.port }]);
  await feeds.follow(timeline);
});

afterAll(async () => {
  await feeds.stop();
  await server.close();
  await source.close();
  await opened.openFiles.closeAll();
  await cluster.destroy();
});

const relation = () => ({ tablespaceOid: 1663, databaseOid: 5, relationNumber: table.oid });
const reached = (lsn: Lsn): Promise<void> => timeline.waitFor(lsn, AbortSignal.timeout(60_000));

async function openClient(name: TimelineName): Promise<PageClient> {
  const client = await PageClient.open(server.port);
  expect(await client.hello(name, token)).toMatchObject({ type: 'welcome' });
  return client;
}

it('a request for WAL not yet there waits for it, and is refused when it does not come', async () => {
  const client = await openClient(named('1'));
  await reached(marks[0]!.lsn);
  const early = client.pages(relation(), [0], marks[1]!.lsn);
  source.commit(marks[1]!.lsn);
  expect(await early).toMatchObject({ type: 'pages', count: 1 });
  expect(await client.pages(relation(), [0], endLsn)).toMatchObject({ type: 'error', code: 'LsnNotReached' });
  client.close();
});

it('a dropped connection is made again and ingest goes on where it ended', async () => {
  source.drop();
  source.commit(endLsn);
  await reached(endLsn);
  expect(source.requests[0]).toContain(`tenant_id=${'a'.repeat(32)} timeline_id=${'1'.repeat(32)}`);
  expect(source.requests[1]).toBe('password storage-token');
  expect(source.requests.filter((text) => text.startsWith('START_REPLICATION')).length).toBeGreaterThan(1);
  const comparison = await compareCluster(timeline, { dataDir: cluster.dataDir, lsn: endLsn });
  expect(comparison.differences).toEqual([]);
});

it('pages are answered in the order asked, and what does not exist is refused by name', async () => {
  const client = await openClient(named('1'));
  const answer = await client.pages(relation(), [2, 0, 2], endLsn);
  expect(pageIn(answer, 0)).toEqual(pageIn(answer, 2));
  expect(pageIn(answer, 0)).not.toEqual(pageIn(answer, 1));
  expect(await client.pages(relation(), [table.blocks + 100], endLsn)).toMatchObject({ code: 'BlockOutOfRange' });
  expect(await client.pages({ ...relation(), relationNumber: 1 }, [0], endLsn)).toMatchObject({
    code: 'UnknownRelation',
  });
  client.close();
});

it('strangers and garbage are turned away', async () => {
  const stranger = await PageClient.open(server.port);
  expect(await stranger.hello(named('1'), 'no token')).toMatchObject({ type: 'error', code: 'Unauthorized' });
  const lost = await PageClient.open(server.port);
  expect(await lost.hello(named('9'), token)).toMatchObject({ type: 'error', code: 'UnknownTimeline' });
  const garbage = await PageClient.open(server.port);
  garbage.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  await Promise.all([stranger.closed, lost.closed, garbage.closed]);
});

it('a branch shows what had committed at its LSN or time, and nothing later', async () => {
  const { pageserver } = opened;
  const [first, second] = [marks[0]!, marks[1]!];
  const parent = { mode: 'branch' as const, ancestorTimelineId: named('1').timelineId };
  const atLsn = await pageserver.create(named('2'), { ...parent, at: { kind: 'lsn', lsn: first.lsn } });
  const atTime = await pageserver.create(named('3'), {
    ...parent,
    at: { kind: 'time', timestampUs: timestampAfter(second) },
  });
  expect(atLsn.index.startLsn).toBeLessThanOrEqual(first.lsn);
  expect(atTime.index.startLsn).toBeGreaterThan(first.lsn);
  expect(atTime.index.startLsn).toBeLessThanOrEqual(second.lsn);
  const rowsOn = async (branch: Timeline): Promise<number> => {
    const size = await sizeOf(branch);
    const client = await openClient(branch.index);
    let rows = 0;
    for (let block = 0; block < size; block++) {
      const page = pageIn(await client.pages(relation(), [block], branch.index.startLsn), 0);
      const view = new DataView(page.buffer, page.byteOffset);
      rows += Math.max(0, view.getUint16(12, true) - 24) / 4;
    }
    client.close();
    return rows;
  };
  expect(await rowsOn(atLsn)).toBe(first.rows);
  expect(await rowsOn(atTime)).toBe(second.rows);
  const again = await pageserver.create(named('4'), {
    mode: 'branch',
    ancestorTimelineId: named('3').timelineId,
    at: { kind: 'lsn', lsn: first.lsn },
  });
  expect(again.index.ancestor?.lsn).toBe(atLsn.index.startLsn);
  expect(await rowsOn(again)).toBe(first.rows);
  await expect(pageserver.delete(named('3'), async () => undefined)).rejects.toMatchObject({
    code: 'TimelineHasChildren',
  });
  await pageserver.delete(named('4'), async () => undefined);
  await pageserver.delete(named('3'), async () => undefined);
  expect(atLsn.logicalSizeBytes).toBeLessThan(timeline.logicalSizeBytes);
});

async function sizeOf(branch: Timeline): Promise<number> {
  const client = await openClient(branch.index);
  for (let blocks = 0; ; blocks++) {
    const answer = await client.pages(relation(), [blocks], branch.index.startLsn);
    if (answer.type === 'pages') continue;
    client.close();
    return blocks;
  }
}

it('a basebackup holds what the cluster has, and a checkpoint that a compute can start from', async () => {
  const client = await openClient(named('1'));
  const files = await untar(await client.basebackup(endLsn));
  client.close();
  const manifest = BasebackupManifest.parse(JSON.parse(files.get('neon/manifest.json')!.toString()));
  expect(manifest).toMatchObject({
    lsn: Lsn.format(endLsn),
    prevRecordLsn: Lsn.format(cluster.checkpointLsn()),
    pgMajor: 17,
  });
  const checkpoint = Checkpoint.parse(Buffer.from(manifest.checkpoint, 'base64'), 17);
  expect(checkpoint.redoLsn).toBe(endLsn);
  expect([...files.keys()]).toEqual(
    expect.arrayContaining([
      'PG_VERSION',
      'base/5/PG_VERSION',
      'base/5/pg_filenode.map',
      'global/pg_filenode.map',
      'pg_xact/0000',
      'global/pg_control',
    ]),
  );
  expect(files.get('neon/relations')!.length % 17).toBe(0);
  await expect(basebackup(timeline, { lsn: Lsn.of(marks[0]!.lsn + 8), head: false }, never)).rejects.toMatchObject({
    code: 'NotARecordBoundary',
  });
});

it('B4: a compute is not started below what was ingested, and an LSN within a record has an error of its own', async () => {
  const client = await openClient(named('1'));
  const boundary = (await timeline.commits.boundaryAt(marks[1]!.lsn)).lsn;
  await expect(client.basebackup(boundary, true)).rejects.toMatchObject({ code: 'HistoryDiverged' });
  expect((await client.basebackup(boundary)).length).toBeGreaterThan(0);
  expect((await client.basebackup(endLsn, true)).length).toBeGreaterThan(0);
  await expect(client.basebackup(Lsn.of(boundary + 8))).rejects.toMatchObject({ code: 'NotARecordBoundary' });
  client.close();
});

it('opens again with all timelines, and deleted ones stay deleted', async () => {
  timeline.freeze();
  await timeline.flush();
  const again = await openPageserver(join(cluster.directory, 'pageserver'), cluster.templates);
  expect(
    again.pageserver
      .all()
      .map(({ index }) => index.timelineId[0])
      .sort(),
  ).toEqual(['1', '2']);
  expect(again.pageserver.get(named('1')).lastRecordLsn).toBe(endLsn);
  expect(await again.pageserver.get(named('1')).commits.lsnAt(timestampAfter(marks[1]!))).toEqual(
    await timeline.commits.lsnAt(timestampAfter(marks[1]!)),
  );
  await again.openFiles.closeAll();
});

async function untar(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const reader = extract();
  reader.end(archive);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(entry.header.name, Buffer.concat(chunks));
  }
  return files;
}
