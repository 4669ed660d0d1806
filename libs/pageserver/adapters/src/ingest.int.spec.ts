/** WAL of a real Postgres into layers and back: every page must be what Postgres itself has. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import {
  DEFAULT_COMPACTION,
  Kind,
  LayerMap,
  type Timeline,
  type TimelineLimits,
  WalIngest,
  compact,
  planCompaction,
  rangeOfKind,
} from '@neon/pageserver-core';
import { WalError } from '@neon/postgres';
import { IMAGE_CODECS } from './files/zstd-compression';
import { OracleCluster } from './oracle/cluster';
import { compareCluster } from './oracle/compare';
import { type OpenedPageserver, named, openPageserver } from './oracle/pageserver';
import { SECOND_DATABASE, WORKLOAD } from './oracle/workload';

let cluster: OracleCluster;
let endLsn: Lsn;
let unlogged: Set<string>;

beforeAll(async () => {
  cluster = await OracleCluster.create();
  await cluster.start();
  await cluster.run(WORKLOAD);
  await cluster.run(['create database second', 'create database copied template second strategy file_copy']);
  await cluster.run(SECOND_DATABASE, 'second');
  await cluster.run(['create table only_here as select generate_series(1, 1000) i', 'vacuum full pg_class'], 'copied');
  const client = await cluster.connect();
  const { rows } = await client.query<{ path: string }>(
    "select pg_relation_filepath(oid) path from pg_class where relpersistence = 'u' and relkind in ('r','i','t')",
  );
  unlogged = new Set(rows.flatMap(({ path }) => [path, `${path}_vm`]));
  await client.query('begin; insert into account (owner) values ($$prepared$$); prepare transaction $$p1$$');
  await client.end();
  await cluster.stop();
  endLsn = cluster.checkpointLsn();
});
afterAll(() => cluster.destroy());

async function ingest(timeline: Timeline, to: Lsn = Lsn.of(Number.MAX_SAFE_INTEGER)): Promise<void> {
  const wal = await WalIngest.resume(timeline, IMAGE_CODECS);
  for (const { lsn, bytes } of cluster.wal(timeline.lastRecordLsn)) {
    if (lsn >= to) return;
    try {
      await wal.push(bytes);
    } catch (error) {
      // Past the last record there are zeros.
      if (error instanceof WalError && error.reason === 'end-of-wal') return;
      throw error;
    }
  }
}

async function logicalSize(timeline: Timeline): Promise<number> {
  const keys = await timeline.keysIn(rangeOfKind(Kind.RELATION_SIZE));
  const sizes = await timeline.contentsAt(keys, timeline.lastRecordLsn);
  return sizes.reduce((sum, size) => sum + (size === null ? 0 : Buffer.from(size).readUInt32BE() * 8192), 0);
}

describe('the pageserver', () => {
  const directory = (): string => join(cluster.directory, 'pageserver');
  const opened: OpenedPageserver[] = [];
  const open = async (limits: Partial<TimelineLimits> = {}): Promise<OpenedPageserver> => {
    const one = await openPageserver(directory(), cluster.templates, limits);
    opened.push(one);
    return one;
  };
  afterEach(async () => {
    for (const { openFiles } of opened.splice(0)) await openFiles.closeAll();
    rmSync(directory(), { recursive: true, force: true });
  });

  it('has every page that Postgres has, from memory and from layers, before and after compaction', async () => {
    const { pageserver, background } = await open({ memorySizeBytes: 4 * 1024 * 1024 });
    const timeline = await pageserver.create(named('1'), { mode: 'bootstrap', pgMajor: 17 });
    await ingest(timeline);
    await background.settled();
    expect(timeline.stopped).toBeNull();
    expect(timeline.prevRecordLsn).toBe(endLsn);
    const comparison = await compareCluster(timeline, {
      dataDir: cluster.dataDir,
      lsn: timeline.lastRecordLsn,
      unlogged,
    });
    expect(comparison.differences).toEqual([]);
    expect(comparison.pages).toBeGreaterThan(5000);
    expect(timeline.logicalSizeBytes).toBe(await logicalSize(timeline));

    timeline.freeze();
    await timeline.flush();
    expect(timeline.diskConsistentLsn).toBe(timeline.lastRecordLsn);
    const [job] = planCompaction(timeline.layerMap, DEFAULT_COMPACTION, { force: true });
    await compact(timeline, job!, DEFAULT_COMPACTION);
    expect(
      LayerMap.layers(timeline.layerMap).some(
        ({ kind, startLsn }) => kind === 'image' && startLsn > timeline.index.startLsn,
      ),
    ).toBe(true);
    const compacted = await compareCluster(timeline, {
      dataDir: cluster.dataDir,
      lsn: timeline.lastRecordLsn,
      unlogged,
    });
    expect(compacted.differences).toEqual([]);
  });

  it('goes on after a crash without flush where its layers end, and has every page then', async () => {
    const first = await open();
    const before = await first.pageserver.create(named('1'), { mode: 'bootstrap', pgMajor: 17 });
    const partOfWal = (share: number): Lsn =>
      Lsn.of(Math.floor(before.index.startLsn + share * (endLsn - before.index.startLsn)));
    await ingest(before, partOfWal(0.4));
    before.freeze();
    await before.flush();
    await ingest(before, partOfWal(0.6));
    expect(before.diskConsistentLsn).toBeLessThan(before.lastRecordLsn);

    const second = await open();
    const after = second.pageserver.get(named('1'));
    expect(after.lastRecordLsn).toBe(before.diskConsistentLsn);
    await ingest(after);
    await second.background.settled();
    const comparison = await compareCluster(after, { dataDir: cluster.dataDir, lsn: after.lastRecordLsn, unlogged });
    expect(comparison.differences).toEqual([]);
    expect(after.logicalSizeBytes).toBe(await logicalSize(after));
  });
});
