/** Stock Postgres over sparse files: what its users see must be what the original files hold. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BASE_LSN, Cluster, ShimmedCluster, buildShim, distributions } from './shimmed-cluster';

const TABLES = `
  CREATE EXTENSION amcheck;
  CREATE TABLE big (id int PRIMARY KEY, filler text NOT NULL);
  INSERT INTO big SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 60000) i;
  CREATE INDEX big_filler ON big (left(filler, 20));
  CREATE TABLE small AS SELECT * FROM generate_series(1, 100) id;
  CREATE TABLE doomed AS SELECT id, repeat('x', 500) AS filler FROM generate_series(1, 5000) id;
  CREATE TABLE toasted AS
    SELECT i AS id, (SELECT string_agg(md5((i * 1000 + j)::text), '') FROM generate_series(1, 400) j) AS body
    FROM generate_series(1, 200) i;
  ALTER TABLE toasted ALTER body SET STORAGE EXTERNAL;
  INSERT INTO toasted SELECT id + 1000, body FROM toasted;
  DELETE FROM big WHERE id % 17 = 0;
  UPDATE big SET filler = filler || 'u' WHERE id % 13 = 0;
`;
const DIGESTS = `
  SELECT (SELECT md5(string_agg(big::text, ',' ORDER BY id)) FROM big) AS big,
         (SELECT count(*)::int FROM small) AS small,
         (SELECT md5(string_agg(doomed::text, ',' ORDER BY id)) FROM doomed) AS doomed,
         (SELECT md5(string_agg(md5(body), ',' ORDER BY id)) FROM toasted) AS toasted`;
const AMCHECK = `
  SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = relam
   WHERE amname = 'btree' AND relpersistence = 'p' AND relkind = 'i';
  SELECT count(*)::int AS damage FROM pg_class c, verify_heapam(c.oid) WHERE relkind IN ('r', 't', 'm')`;

describe.each(distributions())('the page-fault shim under Postgres $version', (distribution) => {
  const origin = new Cluster(distribution);
  let shim = '';
  let expected: Record<string, unknown> = {};
  let compute: ShimmedCluster;

  beforeAll(async () => {
    shim = buildShim();
    await origin.init();
    await origin.start();
    await origin.query(TABLES);
    await origin.query('VACUUM big');
    expected = (await origin.query(DIGESTS))[0] ?? {};
    await origin.stop();
  });
  afterAll(() => origin.remove());

  beforeEach(async () => {
    compute = new ShimmedCluster(origin, shim);
    await compute.layOut();
    await compute.start();
  });
  afterEach(() => compute.remove());

  const log = (): string => readFileSync(compute.logFile, 'utf8');
  const pathOf = async (relation: string): Promise<string> =>
    String((await compute.query(`SELECT pg_relation_filepath('${relation}') AS path`))[0]?.['path']);
  const digests = async (): Promise<unknown> => (await compute.query(DIGESTS))[0];

  test('every row is there, and amcheck finds nothing', async () => {
    expect(await digests()).toEqual(expected);
    expect(await compute.query(AMCHECK)).toEqual([{ damage: 0 }]);
    expect(compute.pageServer.lsnsAsked).toEqual(new Set([BASE_LSN]));
    expect(compute.warnings).toEqual([]);
  });

  test('a start reads little, and a page is fetched once', async () => {
    await compute.query('SELECT count(*) FROM small');
    expect(compute.pageServer.pageCount).toBeLessThan(1500);
    await digests();
    const fetched = compute.pageServer.pageCount;
    expect(await digests()).toEqual(expected);
    expect(compute.pageServer.pageCount).toBe(fetched);
  });

  test('many backends that read the same pages at once all see them right', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => compute.connect()));
    const results = await Promise.all(clients.map((client) => client.query<Record<string, unknown>>(DIGESTS)));
    expect(results.map(({ rows }) => rows[0])).toEqual(clients.map(() => expected));
    await Promise.all(clients.map((client) => client.end()));
    expect(await compute.query(AMCHECK)).toEqual([{ damage: 0 }]);
  });

  test('a parallel scan, and one that prefetches by bitmap, see every row', async () => {
    const count = "SELECT count(*)::int FROM big WHERE left(filler, 20) > '8'";
    const parallel =
      'SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0;';
    const bitmap = 'SET enable_seqscan = off; SET enable_indexscan = off; SET effective_io_concurrency = 16;';
    const [first] = await compute.query(`${bitmap} ${count}`);
    expect((await compute.query(`${parallel} ${count}`))[0]).toEqual(first);
    expect(compute.agent?.totals.prefetchedCount).toBeGreaterThan(0);
    expect(await digests()).toEqual(expected);
  });

  test('what was changed is there after a clean restart and after a crash', async () => {
    await compute.query(`
      UPDATE big SET filler = 'changed' WHERE id BETWEEN 1000 AND 2000;
      INSERT INTO big SELECT i, 'added' FROM generate_series(100001, 110000) i;
      DELETE FROM small WHERE id > 50;`);
    const changed = (await compute.query(DIGESTS))[0];
    expect(changed).not.toEqual(expected);
    await compute.stop('fast');
    await compute.start();
    expect(await digests()).toEqual(changed);
    await compute.query(`UPDATE big SET filler = 'again' WHERE id % 1000 = 1; CREATE TABLE made AS SELECT 1 AS one`);
    const again = (await compute.query(DIGESTS))[0];
    await compute.stop('immediate');
    await compute.start();
    expect(await digests()).toEqual(again);
    expect(await compute.query('SELECT one FROM made')).toEqual([{ one: 1 }]);
    expect(await compute.query(AMCHECK)).toEqual([{ damage: 0 }]);
  });

  test('writing without reading: a page that was never fetched is not fetched over what was written', async () => {
    await compute.query(
      'TRUNCATE doomed; INSERT INTO doomed SELECT id, $$new$$ FROM generate_series(1, 9) id; CHECKPOINT',
    );
    await compute.query('VACUUM FULL small; DELETE FROM big WHERE id > 30000; VACUUM big; CHECKPOINT');
    expect(await compute.query('SELECT count(*)::int AS count, min(filler) AS filler FROM doomed')).toEqual([
      { count: 9, filler: 'new' },
    ]);
    await compute.query("INSERT INTO big SELECT i, repeat('n', 300) FROM generate_series(30001, 60000) i");
    await compute.stop('immediate');
    await compute.start();
    expect(await compute.query('SELECT count(*)::int AS count FROM big WHERE id > 30000')).toEqual([{ count: 30000 }]);
    expect(await compute.query(AMCHECK)).toEqual([{ damage: 0 }]);
  });

  test("a dropped table's file goes without its pages having been fetched", async () => {
    const path = await pathOf('doomed');
    const fetched = compute.pageServer.pageCount;
    await compute.query('DROP TABLE doomed; CHECKPOINT');
    expect(statSync(join(compute.dataDir, path), { throwIfNoEntry: false })).toBeUndefined();
    expect(compute.pageServer.pageCount - fetched).toBeLessThan(300);
    expect(await compute.query('CREATE TABLE doomed AS SELECT 1 AS id; SELECT * FROM doomed')).toEqual([{ id: 1 }]);
  });

  test.each(distribution.major >= 15 ? ['file_copy', 'wal_log'] : [])(
    'a database copied by %s has every row',
    async (strategy) => {
      await compute.query(`CREATE DATABASE copied TEMPLATE postgres STRATEGY ${strategy}`);
      expect((await compute.query(DIGESTS, 'copied'))[0]).toEqual(expected);
      await compute.stop('immediate');
      await compute.start();
      expect((await compute.query(DIGESTS, 'copied'))[0]).toEqual(expected);
      expect(await compute.query(AMCHECK, 'copied')).toEqual([{ damage: 0 }]);
      await compute.query('DROP DATABASE copied');
      expect(await digests()).toEqual(expected);
    },
  );

  test('a file read as a stream is fetched whole', async () => {
    const path = await pathOf('big');
    const original = readFileSync(join(origin.dataDir, path));
    const [row] = await compute.query(`SELECT pg_read_binary_file('${path}', 81920, 16384) AS bytes`);
    expect((row?.['bytes'] as Buffer).equals(original.subarray(81920, 81920 + 16384))).toBe(true);
  });

  test('kill -9 of a backend in the middle of heavy reads loses nothing', async () => {
    for (let round = 0; round < 4; round++) {
      const clients = await Promise.all(Array.from({ length: 4 }, () => compute.connect()));
      const pids = await Promise.all(
        clients.map(
          async (client) => (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid,
        ),
      );
      const queries = clients.map((client) => client.query(DIGESTS).catch((error: Error) => error));
      await sleep(5 + round * 25);
      process.kill(pids[round]!, 'SIGKILL');
      await Promise.all(queries);
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await untilReady();
    }
    expect(await digests()).toEqual(expected);
    expect(await compute.query(AMCHECK)).toEqual([{ damage: 0 }]);
  });

  test('without an agent a read fails with EIO and a line in the log, and succeeds once it is back', async () => {
    await compute.query('SELECT count(*) FROM small');
    await compute.stopAgent();
    await expect(compute.query('SELECT sum(length(filler)) FROM big')).rejects.toMatchObject({
      code: '58030',
      message: expect.stringMatching(/could not read blocks? .*: Input\/output error/) as string,
    });
    expect(log()).toMatch(
      /page-shim\[\d+\] compute-1: cannot read \d+\/\d+\/\d+ fork 0 blocks \d+ to \d+: the agent does not answer/,
    );
    await compute.startAgent((await compute.pageServer.stop(), await compute.pageServer.start()));
    expect(await digests()).toEqual(expected);
  });

  test('an agent that is away for a moment is waited for', async () => {
    const client = await compute.connect();
    await compute.stopAgent();
    const query = client.query<Record<string, unknown>>(DIGESTS);
    await sleep(300);
    await compute.startAgent((await compute.pageServer.stop(), await compute.pageServer.start()));
    expect((await query).rows[0]).toEqual(expected);
    await client.end();
  });

  test("the pageserver's refusal reaches the log, and the client as an I/O error", async () => {
    await compute.query('SELECT count(*) FROM small');
    compute.pageServer.refusal = { code: 'TimelineStopped', message: 'cannot apply Heap/FOO at 0/1234' };
    await expect(compute.query('SELECT * FROM big')).rejects.toMatchObject({ code: '58030' });
    expect(log()).toMatch(/page-shim.*TimelineStopped: cannot apply Heap\/FOO at 0\/1234/);
    compute.pageServer.refusal = null;
    expect(await digests()).toEqual(expected);
  });

  test('pageserver connections that break are opened again without an error', async () => {
    const query = digests();
    for (let i = 0; i < 5; i++) {
      await sleep(20);
      compute.pageServer.dropConnections();
    }
    expect(await query).toEqual(expected);
    expect(compute.warnings).toEqual([]);
  });

  async function untilReady(): Promise<void> {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
      const ready = await compute.query('SELECT 1').catch(() => null);
      if (ready !== null) return;
    }
    throw new Error(`Postgres did not come back: ${log().slice(-2000)}`);
  }
});
