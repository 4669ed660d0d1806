/** Every major of Postgres, not the default alone: durable, the same after a sleep, branched at a moment, equal page for page. */
import { rmSync } from 'node:fs';
import { withAdmin } from './support/admin';
import { Bank } from './support/bank';
import { amcheck, digest } from './support/contents';
import { type Branch, createBranch, createProject, deleteProject, suspend } from './support/project';
import { answers, api, dataDirectoryOf, neon, postmasterOf, query, until } from './support/system';

/** The oldest and the newest; the comparison of pages has all of them. */
const COMPARED_WITH_RECOVERY = [14, 18];

describe.each([14, 15, 16, 18])('Postgres %i', (major) => {
  let project: Branch;
  beforeAll(async () => {
    project = await createProject(`postgres-${major}`, { pgVersion: major });
  });
  afterAll(() => deleteProject(project));

  it('is what runs, and what the API says', async () => {
    const [row] = await query<{ version: string }>(project.uri, 'SELECT version()');
    expect(row?.version).toMatch(new RegExp(`^PostgreSQL ${major}\\.`));
    const { data } = await (await api()).getProject(project.projectId);
    expect(data.project.pg_version).toBe(major);
  });

  it('lets no SQL user reach the host, or become what the platform is', async () => {
    for (const role of ['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'])
      await expect(query(project.uri, `GRANT ${role} TO CURRENT_USER`)).rejects.toThrow();
    await expect(query(project.uri, "COPY (SELECT 1) TO PROGRAM 'true'")).rejects.toThrow(
      /permission denied|pg_execute_server_program/,
    );
    // Named as what the platform calls, and of a type that fits better.
    const maintenance = project.uri.replace('/neondb?', '/postgres?');
    await query(
      maintenance,
      `CREATE FUNCTION public.json_build_object(text, json, text, json) RETURNS json LANGUAGE plpgsql AS
       $$ BEGIN EXECUTE 'ALTER ROLE neondb_owner SUPERUSER'; RETURN '{}'; END $$`,
    ).catch(() => undefined);
    const { data } = await (
      await api()
    ).createProjectBranchRole(project.projectId, project.branchId, { role: { name: 'ann' } });
    await until('the role is there', async () => {
      const rows = await query(project.uri, "SELECT FROM pg_roles WHERE rolname = 'ann'");
      return rows.length === 1 || data.operations.length === 0;
    });
    expect(await query(project.uri, "SELECT rolsuper FROM pg_roles WHERE rolname = 'neondb_owner'")).toEqual([
      { rolsuper: false },
    ]);
  });

  it('loses no acknowledged transfer with the compute and its disk, and a branch shows the moment it starts at', async () => {
    const bank = new Bank(project.uri);
    await bank.open();
    bank.start(4);
    await until('transfers run', () => bank.acknowledged.length > 100);
    const directory = dataDirectoryOf(project.endpointId);
    process.kill(postmasterOf(project.endpointId), 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
    const before = bank.acknowledged.length;
    await until('transfers go on', () => bank.acknowledged.length > before + 100);
    await bank.stop();
    expect(await bank.audit()).toEqual([]);

    const [moment] = await query<{ lsn: string; transfers: string }>(
      project.uri,
      'SELECT pg_current_wal_insert_lsn()::text AS lsn, (SELECT count(*) FROM transfer) AS transfers',
    );
    await query(project.uri, 'TRUNCATE transfer');
    const branch = await createBranch(project, { lsn: moment?.lsn ?? '' });
    expect(await query(branch.uri, 'SELECT count(*) AS transfers FROM transfer')).toEqual([
      { transfers: moment?.transfers },
    ]);
  });

  it('is the same after it was suspended, and every index is sound', async () => {
    await until('the endpoint answers', () => answers(project.uri));
    const before = await withAdmin(project, digest);
    await suspend(project);
    await until('the endpoint answers again', () => answers(project.uri));
    expect(await withAdmin(project, digest)).toEqual(before);
    expect(await withAdmin(project, amcheck)).toEqual([]);
  });

  it('has the pages that the pageserver has', async () => {
    const output = await neon('verify', 'pages', '--quick', '--version', String(major));
    expect(output).toMatch(/ [1-9]\d* pages compared at .*, 0 differences/);
  });
});

it.each(COMPARED_WITH_RECOVERY)(
  'computes of Postgres %i equal stock servers that replayed the same WAL',
  async (major) => {
    const output = await neon('verify', 'history', '--quick', '--version', String(major));
    expect(output).toMatch(
      /^[5-9] LSNs, [1-9]\d* relations, [1-9]\d* rows, [1-9]\d* indexes compared, 0 differences$/m,
    );
  },
);
