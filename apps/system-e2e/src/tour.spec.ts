/** The five-minute tour: what a newcomer does first. */
import { type Branch, createProject, deleteProject, endpointState, suspend } from './support/project';
import { api, neon, pgbench, postmastersOf, query, status, until, withClient } from './support/system';

/** The shortest time-out there is. */
const IDLE_SECONDS = 60;

let project: Branch;
beforeAll(async () => {
  project = await createProject('tour');
});
afterAll(() => deleteProject(project));

describe('a fresh installation', () => {
  it('every service is healthy, and the printed connection works', async () => {
    await until('all are healthy', async () => (await status()).services.every(({ healthy }) => healthy));
    const { services, projects } = await status();
    expect(services.map((service) => service.name)).toEqual(
      expect.arrayContaining([
        'control-plane',
        'pageserver',
        'proxy',
        'compute-1',
        'safekeeper-1',
        'safekeeper-2',
        'safekeeper-3',
        'nats',
        'metadata',
      ]),
    );
    const [first] = projects;
    expect(await query(first?.connectionUri ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await neon('psql', '-Atc', 'SELECT current_user')).toBe('neondb_owner\n');
  });

  it('`./neon up` on a running installation changes nothing and is quick', async () => {
    const before = (await status()).services.map((service) => service.pid);
    await neon('up');
    expect((await status()).services.map((service) => service.pid)).toEqual(before);
  });
});

describe('a database', () => {
  it('is stock Postgres 17', async () => {
    const [row] = await query<{ version: string }>(project.uri, 'SELECT version()');
    expect(row?.version).toMatch(/^PostgreSQL 17\./);
  });

  it('takes pgbench through the proxy', async () => {
    await pgbench(project.uri, '-i', '-q', '-s', '20');
    const output = await pgbench(project.uri, '-c', '8', '-j', '2', '-T', '15');
    expect(output).toMatch(/number of failed transactions: 0 /);
    const [sums] = await query<{ equal: boolean }>(
      project.uri,
      'SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history) AS equal',
    );
    expect(sums?.equal).toBe(true);
  });

  it('suspends on request, leaves no process behind, and wakes on connect with everything there', async () => {
    const [before] = await query(project.uri, 'SELECT count(*), sum(abalance) FROM pgbench_accounts');
    expect(postmastersOf(project.endpointId)).toHaveLength(1);
    await suspend(project);
    expect(await endpointState(project)).toBe('idle');
    expect(postmastersOf(project.endpointId)).toEqual([]);
    expect(await query(project.uri, 'SELECT count(*), sum(abalance) FROM pgbench_accounts')).toEqual([before]);
    expect(await endpointState(project)).toBe('active');
  });

  it('grows no further over many suspends with deletes and inserts', async () => {
    await query(
      project.uri,
      'CREATE TABLE churn AS SELECT g AS id, repeat(md5(g::text), 10) AS filler FROM generate_series(1, 2000) g',
    );
    const sizes: number[] = [];
    for (let round = 0; round < 5; round++) {
      await withClient(project.uri, async (client) => {
        await client.query('DELETE FROM churn');
        await client.query('VACUUM churn');
        await client.query(`INSERT INTO churn SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 2000) g`);
        const { rows } = await client.query<{ size: string }>("SELECT pg_relation_size('churn') AS size");
        sizes.push(Number(rows[0]?.size));
      });
      await suspend(project);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual((sizes[0] ?? 0) * 2);
  });

  it('suspends by itself when nobody uses it for the time-out', async () => {
    const client = await api();
    await client.updateProjectEndpoint(project.projectId, project.endpointId, {
      endpoint: { suspend_timeout_seconds: IDLE_SECONDS },
    });
    await query(project.uri, 'SELECT 1');
    await until(
      'the endpoint is idle',
      async () => (await endpointState(project)) === 'idle',
      (IDLE_SECONDS + 120) * 1_000,
    );
  });
});
