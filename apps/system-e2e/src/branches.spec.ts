/** Branches: instant, isolated, at any point of history. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Branch, createBranch, createProject, deleteProject } from './support/project';
import { query, withClient } from './support/system';

let main: Branch;
beforeAll(async () => {
  main = await createProject('branches');
  await query(main.uri, 'CREATE TABLE note (id int PRIMARY KEY, body text)');
});
afterAll(() => deleteProject(main));

const bodies = async (branch: Branch): Promise<string[]> =>
  (await query<{ body: string }>(branch.uri, 'SELECT body FROM note ORDER BY id')).map((row) => row.body);

it('a branch has what its parent had, and writes on either side stay there', async () => {
  await query(main.uri, "INSERT INTO note VALUES (1, 'shared')");
  const branch = await createBranch(main, { name: 'feature' });
  await query(branch.uri, "INSERT INTO note VALUES (2, 'on the branch')");
  await query(main.uri, "INSERT INTO note VALUES (2, 'on main')");
  expect(await bodies(branch)).toEqual(['shared', 'on the branch']);
  expect(await bodies(main)).toEqual(['shared', 'on main']);
  const grandchild = await createBranch(branch);
  await query(branch.uri, 'DELETE FROM note');
  expect(await bodies(grandchild)).toEqual(['shared', 'on the branch']);
});

it('a branch at an LSN, and one at a time, show exactly what was committed then', async () => {
  await query(main.uri, 'CREATE TABLE step (n int)');
  const points: { n: number; lsn: string; time: string }[] = [];
  for (let n = 1; n <= 3; n++) {
    await query(main.uri, 'INSERT INTO step VALUES ($1)', [n]);
    const [row] = await query<{ lsn: string; time: string }>(
      main.uri,
      `SELECT pg_current_wal_insert_lsn()::text AS lsn, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time`,
    );
    if (row !== undefined) points.push({ n, ...row });
    await sleep(1_200);
  }
  // Work that is unfinished at the point of the branch is not in it.
  await withClient(main.uri, async (client) => {
    await client.query('BEGIN');
    await client.query('INSERT INTO step VALUES (99)');
    await query(main.uri, "INSERT INTO note VALUES (50, 'meanwhile')");
    const [open] = await query<{ lsn: string }>(main.uri, 'SELECT pg_current_wal_insert_lsn()::text AS lsn');
    const branch = await createBranch(main, { lsn: open?.lsn ?? '' });
    expect(await query(branch.uri, 'SELECT max(n) AS n FROM step')).toEqual([{ n: 3 }]);
    await client.query('ROLLBACK');
  });
  for (const { n, lsn, time } of points.slice(0, 2)) {
    expect(await query((await createBranch(main, { lsn })).uri, 'SELECT max(n) AS n FROM step')).toEqual([{ n }]);
    expect(await query((await createBranch(main, { timestamp: time })).uri, 'SELECT max(n) AS n FROM step')).toEqual([
      { n },
    ]);
  }
});

it('a branch of a large database is made and queried at once', async () => {
  const rows = Number(process.env['NEON_E2E_LARGE_ROWS'] ?? 1_500_000);
  await query(
    main.uri,
    'CREATE TABLE large AS SELECT g AS id, md5(g::text) AS hash, repeat($1, 3) AS filler FROM generate_series(1, $2::int) g',
    ['filler-', rows],
  );
  await query(main.uri, 'ALTER TABLE large ADD PRIMARY KEY (id)');
  const branch = await createBranch(main);
  expect(await query(branch.uri, 'SELECT hash FROM large WHERE id = $1', [rows])).toHaveLength(1);
  await query(branch.uri, "UPDATE large SET hash = 'changed' WHERE id <= 1000");
  expect(await query(main.uri, "SELECT count(*)::int AS n FROM large WHERE hash = 'changed'")).toEqual([{ n: 0 }]);
  expect(await query(branch.uri, "SELECT count(*)::int AS n FROM large WHERE hash = 'changed'")).toEqual([{ n: 1000 }]);
});
