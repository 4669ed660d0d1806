/** A pageserver that stands still under a bulk load: the load waits, small commits do not wait long, and afterwards all goes on. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { type Branch, createProject, deleteProject } from './support/project';
import { answers, connect, home, neon, postmasterOf, query, signal, status, until } from './support/system';

const MEBIBYTE = 1024 * 1024;
/** Small, so that seconds are enough to meet it. */
const BOUND = 32 * MEBIBYTE;
/** More than four times the bound of WAL. */
const ROWS = 130_000;
const LOAD = "INSERT INTO load SELECT n, repeat('x', 1000) FROM generate_series(1, $1::int) n";
/** What a commit may have to wait for. */
const WAL_BUFFERS = MEBIBYTE;
const PAUSED_MS = 9_000;

let project: Branch;
let loader: Client;
let other: Client;

beforeAll(async () => {
  await setBound(BOUND);
  project = await createProject('backpressure', { settings: { wal_buffers: `${WAL_BUFFERS / MEBIBYTE}MB` } });
  [loader, other] = [await connect(project.uri), await connect(project.uri)];
});
afterAll(async () => {
  await Promise.all([loader.end(), other.end()]);
  await deleteProject(project);
  await setBound(undefined);
});

/** Of the compute host, which reads it when it starts. */
async function setBound(ingestLagBytesMax: number | undefined): Promise<void> {
  const file = join(home(), 'config.json');
  const settings = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...settings, ingestLagBytesMax }));
  await signal('SIGKILL', 'compute-1');
  await neon('up');
}

async function written(): Promise<number> {
  const { rows } = await other.query<{ lsn: string }>("SELECT pg_current_wal_lsn() - '0/0' AS lsn");
  return Number(rows[0]?.lsn);
}

async function timed(sql: string): Promise<number> {
  const at = performance.now();
  await other.query(sql);
  return performance.now() - at;
}

async function lagBytes(): Promise<number> {
  const port = (await status()).services.find(({ name }) => name === 'compute-1')?.port;
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^neon_compute_pageserver_lag_bytes\S* (\S+)/m.exec(metrics)?.[1]);
}

it('a bulk load waits for a pageserver that stands still, small commits do not wait long, and all goes on', async () => {
  await other.query('CREATE TABLE load (n int, filler text); CREATE TABLE small (n int)');
  // What the statements below need of the catalog is read from a pageserver that still answers.
  await loader.query(LOAD, [10]);
  await other.query('INSERT INTO small VALUES (0)');
  const pageserver = (await status()).services.find(({ name }) => name === 'pageserver')?.pid;
  if (pageserver == null) throw new Error('the pageserver runs');

  process.kill(pageserver, 'SIGSTOP');
  const [startedAt, startLsn] = [performance.now(), await written()];
  let isLoaded = false;
  const loading = loader.query(LOAD, [ROWS]).then(() => (isLoaded = true));
  const waitsMs: number[] = [];
  let small = 1;
  let beforeLsn = startLsn;
  try {
    for (; performance.now() - startedAt < PAUSED_MS; small++) {
      if (performance.now() - startedAt < PAUSED_MS / 2) beforeLsn = await written();
      await other.query('BEGIN');
      waitsMs.push(await timed(`INSERT INTO small VALUES (${small})`), await timed('COMMIT'));
      expect((await written()) - startLsn).toBeLessThan(2 * BOUND);
      await sleep(50);
    }
    // Past the bound it goes on at 256 KiB/s; half of the time lies behind `beforeLsn`.
    expect((await written()) - startLsn).toBeGreaterThan(BOUND / 2);
    expect((await written()) - beforeLsn).toBeLessThan(BOUND / 2);
    expect(isLoaded).toBe(false);
    // A full WAL buffer at 256 KiB/s, for a record as for the commit behind it; and what a busy machine adds.
    expect(Math.max(...waitsMs)).toBeLessThan((WAL_BUFFERS / MEBIBYTE) * 4_000 + 2_000);
  } finally {
    process.kill(pageserver, 'SIGCONT');
  }

  await loading;
  await until('the pageserver is not behind any more', async () => (await lagBytes()) < MEBIBYTE);
  process.kill(postmasterOf(project.endpointId), 'SIGKILL');
  await until('a compute that starts cold answers', () => answers(project.uri), 60_000);
  const rows = await query(
    project.uri,
    `SELECT count(*)::int, count(DISTINCT n)::int AS different, sum(n)::text AS total,
       count(*) FILTER (WHERE filler = repeat('x', 1000))::int AS whole,
       (SELECT count(*)::int FROM small) AS small FROM load`,
  );
  const total = String((ROWS * (ROWS + 1)) / 2 + 55);
  const expected = { count: ROWS + 10, different: ROWS, total, whole: ROWS + 10, small };
  expect(rows).toEqual([expected]);
});
