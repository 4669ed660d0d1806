/** What was acknowledged survives: the compute's machine, any safekeeper, the pageserver, everything at once. */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank } from './support/bank';
import { amcheck, digest } from './support/contents';
import { withAdmin } from './support/admin';
import { type Branch, createProject, deleteProject } from './support/project';
import { answers, dataDirectoryOf, neon, postmasterOf, signal, until, withClient } from './support/system';

let project: Branch;
beforeEach(async () => {
  project = await createProject('durability');
});
afterEach(() => deleteProject(project));

it('a compute killed and its disk deleted: reconnecting finds every row, and every index is sound', async () => {
  await withClient(project.uri, async (client) => {
    await client.query('CREATE TABLE item (id int PRIMARY KEY, name text UNIQUE, payload text)');
    await client.query(
      `INSERT INTO item SELECT g, 'item ' || g, repeat(md5(g::text), 1 + g % 200) FROM generate_series(1, 20000) g`,
    );
    await client.query('DELETE FROM item WHERE id % 7 = 0');
    await client.query(`UPDATE item SET payload = 'short', name = name || '!' WHERE id % 5 = 0`);
    await client.query('VACUUM (ANALYZE) item');
    await client.query("CREATE SEQUENCE counter; SELECT nextval('counter') FROM generate_series(1, 50)");
  });
  const before = await withAdmin(project, digest);
  const directory = dataDirectoryOf(project.endpointId);
  process.kill(postmasterOf(project.endpointId), 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
  await until('the endpoint answers again', () => answers(project.uri));
  expect(await withAdmin(project, digest)).toEqual(before);
  expect(await withAdmin(project, amcheck)).toEqual([]);
});

it('one safekeeper dead: writes go on; two: none is acknowledged; one back: writes go on and nothing is lost', async () => {
  const bank = new Bank(project.uri);
  await bank.open();
  bank.start(4);
  await until('transfers run', () => bank.acknowledged.length > 20);

  await signal('SIGKILL', 'safekeeper-1');
  const withTwo = bank.acknowledged.length;
  await until('transfers go on with two safekeepers', () => bank.acknowledged.length > withTwo + 50);

  await signal('SIGKILL', 'safekeeper-2');
  // What was committed before may still be told to a client that is slow.
  let withOne = -1;
  await until('nothing is acknowledged for a while', async () => {
    withOne = bank.acknowledged.length;
    await sleep(1_000);
    return bank.acknowledged.length === withOne;
  });
  await sleep(3_000);
  expect(bank.acknowledged.length).toBe(withOne);

  await neon('up');
  await until('transfers go on again', () => bank.acknowledged.length > withOne + 50);
  await bank.stop();
  expect(await bank.audit()).toEqual([]);
});

it('the pageserver killed under load loses nothing', async () => {
  const bank = new Bank(project.uri);
  await bank.open();
  bank.start(4);
  for (let round = 0; round < 3; round++) {
    const before = bank.acknowledged.length;
    await until('transfers run', () => bank.acknowledged.length > before + 50);
    await signal('SIGKILL', 'pageserver');
    await sleep(300);
    await neon('up');
  }
  await bank.stop();
  expect(await bank.audit()).toEqual([]);
  process.kill(postmasterOf(project.endpointId), 'SIGKILL');
  await until('the endpoint answers again', () => answers(project.uri));
  expect(await bank.audit()).toEqual([]);
});

it('everything killed at once during transfers and brought up again loses nothing', async () => {
  const bank = new Bank(project.uri);
  await bank.open();
  for (let round = 0; round < 2; round++) {
    bank.start(4);
    const before = bank.acknowledged.length;
    await until('transfers run', () => bank.acknowledged.length > before + 100);
    const stopped = bank.stop();
    const victims = [
      'proxy',
      'control-plane',
      'compute-1',
      'pageserver',
      'safekeeper-1',
      'safekeeper-2',
      'safekeeper-3',
      'nats',
      'metadata',
    ];
    process.kill(postmasterOf(project.endpointId), 'SIGKILL');
    await signal('SIGKILL', ...victims);
    await neon('up');
    await stopped;
    expect(await bank.audit()).toEqual([]);
  }
});
