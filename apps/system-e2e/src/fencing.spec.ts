/** One writer per timeline: a newer compute fences the older, whatever the older believes. */
import { type Branch, createProject, deleteProject } from './support/project';
import {
  answers,
  connect,
  neon,
  postmasterOf,
  postmastersOf,
  query,
  signal,
  until,
  withClient,
} from './support/system';

let project: Branch;
beforeAll(async () => {
  project = await createProject('fencing');
  await query(project.uri, 'CREATE TABLE entry (id int PRIMARY KEY, writer text)');
});
afterAll(() => deleteProject(project));

it('a host that froze and comes back cannot commit after another compute took over, and loses nobody a row', async () => {
  const old = await connect(project.uri);
  await old.query("INSERT INTO entry VALUES (1, 'old')");
  const oldPostmaster = postmasterOf(project.endpointId);

  // The agent freezes with its Postgres alive; a second host takes over when the first is not heard of.
  await neon('up', '--compute-hosts', '2');
  await signal('SIGSTOP', 'compute-1');
  const frozenWrite = old.query("INSERT INTO entry VALUES (2, 'old, in doubt')").then(
    () => 'acknowledged',
    () => 'refused',
  );
  try {
    // Until the host is given up, connections still reach the old compute, which can read but not commit.
    await until(
      'a new compute answers',
      async () => (await answers(project.uri)) && postmastersOf(project.endpointId).length === 2,
    );
    await withClient(project.uri, (client) => client.query("INSERT INTO entry VALUES (3, 'new')"));

    await signal('SIGCONT', 'compute-1');
    expect(await frozenWrite).toBe('refused');
    await until('the old Postgres is gone', () => !postmastersOf(project.endpointId).includes(oldPostmaster));
    const rows = await query<{ id: number }>(project.uri, 'SELECT id FROM entry ORDER BY id');
    expect(rows.map((row) => row.id)).toEqual([1, 3]);
  } finally {
    await old.end().catch(() => undefined);
    await neon('up', '--compute-hosts', '1');
  }
});
