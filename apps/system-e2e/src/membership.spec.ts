/** The safekeepers of a project change while it is written to: nothing that was acknowledged is lost, and writes go on. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Bank } from './support/bank';
import { type Branch, createBranch, createProject, deleteProject } from './support/project';
import { answers, home, neon, postmasterOf, signal, until } from './support/system';

const Listing = z.object({
  safekeepers: z.array(z.object({ id: z.number(), incarnation: z.string(), alive: z.boolean() })),
  projects: z.array(
    z.object({
      id: z.string(),
      safekeeper_ids: z.array(z.number()),
      branches: z.array(
        z.object({
          branch_id: z.string(),
          generation: z.number().optional(),
          members: z.array(z.object({ safekeeper_id: z.number(), incarnation: z.string().optional() })),
          former_members: z.array(z.object({ safekeeper_id: z.number() })).optional(),
          complete: z.boolean(),
          waiting_for: z.array(z.string()),
        }),
      ),
    }),
  ),
});

const safekeepers = (...args: string[]): Promise<string> => neon('safekeepers', ...args);
const listing = async () => Listing.parse(JSON.parse(await safekeepers('list', '--json')));

const dataOf = (id: number): string => join(home(), `data/safekeeper-${id}`);
/** Without the tombstones of what earlier specs have deleted, which may come at any time. */
const idsIn = (directory: string): string[] => readdirSync(directory).filter((name) => /^[0-9a-f]{32}$/.test(name));
const timelinesOf = (id: number): string[] =>
  idsIn(dataOf(id)).flatMap((tenant) => idsIn(join(dataOf(id), tenant)).map((timeline) => join(tenant, timeline)));

let project: Branch;
let bank: Bank;
/** Of the project's branch, in the data of a safekeeper. */
let timeline: string;

beforeAll(async () => {
  const before = new Set(timelinesOf(1));
  project = await createProject('membership');
  [timeline = ''] = timelinesOf(1).filter((each) => !before.has(each));
  bank = new Bank(project.uri);
  await bank.open();
  bank.start(4);
  await until('transfers run', () => bank.acknowledged.length > 20);
});
afterAll(async () => {
  await bank.stop();
  await deleteProject(project);
  await neon('up');
  // Of the other projects too: its disk is another one than they know.
  await safekeepers('replace', '3', '3');
  for (const { id } of (await listing()).safekeepers) if (id > 3) await safekeepers('remove', String(id));
});

async function branchNow() {
  const { projects } = await listing();
  const [branch] = projects.find(({ id }) => id === project.projectId)?.branches ?? [];
  if (branch === undefined) throw new Error('the project has a branch');
  return { ...branch, ids: branch.members.map(({ safekeeper_id }) => safekeeper_id).sort() };
}

const change = (...args: string[]): Promise<string> => safekeepers(...args, '--project', project.projectId);

async function transfersGoOn(what: string): Promise<void> {
  const before = bank.acknowledged.length;
  await until(`transfers go on ${what}`, () => bank.acknowledged.length > before + 50);
}

it('a safekeeper that is dead is replaced by another, under writes', async () => {
  await signal('SIGKILL', 'safekeeper-3');
  await safekeepers('add');
  await change('replace', '3', '4');
  expect(await branchNow()).toMatchObject({ ids: [1, 2, 4], generation: 3, complete: true });
  await transfersGoOn('with the new one');
  // The new one counts: of three, one of the old ones may go.
  await signal('SIGKILL', 'safekeeper-1');
  await transfersGoOn('with one old and the new one');
  await neon('up');
});

/** Of its files nothing is left but a tombstone, and the control plane knows. */
async function isRemovedFrom(id: number): Promise<boolean> {
  const path = join(dataOf(id), timeline);
  if (existsSync(path) || !existsSync(`${path}.removed`)) return false;
  return !(await branchNow()).former_members?.some(({ safekeeper_id }) => safekeeper_id === id);
}

const segmentsOf = (id: number): string[] =>
  readdirSync(join(dataOf(id), timeline)).filter((name) => /^[0-9A-F]{24}$/.test(name));

it('one that was away while it was replaced removes what it has when it is back, and comes back as a member with the WAL', async () => {
  await until('the former member has nothing any more', () => isRemovedFrom(3));
  await change('replace', '4', '3');
  expect(await branchNow()).toMatchObject({ ids: [1, 2, 3], generation: 5, complete: true });
  await until('the one that it replaced has nothing any more', () => isRemovedFrom(4));
  expect(segmentsOf(3)).not.toEqual([]);
  await transfersGoOn('with the one that came back');
  // It counts, and holds what it confirmed: of three, one of the others may go.
  await signal('SIGKILL', 'safekeeper-1');
  await transfersGoOn('with one that stayed and the one that came back');
  await neon('up');
  await change('replace', '3', '4');
  await until('it has nothing again', () => isRemovedFrom(3));
  expect((await branchNow()).ids).toEqual([1, 2, 4]);
});

it('a disk that was wiped does not come back as a member, until it is asked for: three become five', async () => {
  await signal('SIGKILL', 'safekeeper-3');
  rmSync(join(home(), 'data/safekeeper-3'), { recursive: true });
  await neon('up');
  await safekeepers('add');
  expect((await branchNow()).ids).toEqual([1, 2, 4]);
  await change('set', '1', '2', '3', '4', '5');
  const { ids, members, complete } = await branchNow();
  expect([ids, complete]).toEqual([[1, 2, 3, 4, 5], true]);
  const { safekeepers: present } = await listing();
  for (const { safekeeper_id, incarnation } of members)
    expect(present.find(({ id }) => id === safekeeper_id)?.incarnation).toBe(incarnation);
  // Of five, two may go.
  await signal('SIGKILL', 'safekeeper-1', 'safekeeper-2');
  await transfersGoOn('with three of five');
  await neon('up');
});

it('five become three, though the control plane is killed in the middle again and again', async () => {
  await change('set', '2', '3', '4', '--no-wait');
  for (let round = 0; round < 2; round++) {
    await signal('SIGKILL', 'control-plane');
    await neon('up');
  }
  await until('the change is complete', async () => (await branchNow()).complete);
  expect((await branchNow()).ids).toEqual([2, 3, 4]);
  await transfersGoOn('with three again');
});

it('nothing acknowledged is lost, in the project, in a branch of it, and for a fresh compute', async () => {
  await bank.stop();
  expect(await bank.audit()).toEqual([]);
  // A branch of the head asks the members that are now, and begins on them.
  const branch = await createBranch(project);
  expect(await answers(branch.uri)).toBe(true);
  process.kill(postmasterOf(project.endpointId), 'SIGKILL');
  await until('the endpoint answers again', () => answers(project.uri));
  expect(await bank.audit()).toEqual([]);
});
