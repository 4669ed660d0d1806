import { setTimeout as sleep } from 'node:timers/promises';
import { type Door, Members } from './members';

const [A, B, C, D, E] = [1, 2, 3, 4, 5].map((id) => `safekeeper-${id}`) as [string, string, string, string, string];

/** A control plane that accepts while `accepts`, and completes when told. */
class MemoryDoor implements Door {
  accepts = true;
  complete = true;
  ids: readonly number[] = [1, 2, 3];
  answers: Promise<void> = Promise.resolve();

  async of() {
    const shown = { safekeeper_ids: [...this.ids], complete: this.complete };
    await this.answers;
    const branch = { branch_id: 'br', members: [], waiting_for: ['a copy'], complete: shown.complete };
    return { safekeeper_ids: shown.safekeeper_ids, branches: [branch] };
  }

  set(_projectId: string, ids: readonly number[]): Promise<void> {
    if (!this.accepts) return Promise.reject(new Error('fetch failed', { cause: new Error('nobody there') }));
    this.ids = ids;
    this.complete = false;
    return Promise.resolve();
  }
}

let door: MemoryDoor;
let members: Members;
beforeEach(() => {
  door = new MemoryDoor();
  members = new Members(door, 'project', [A, B, C]);
});
afterEach(() => members.abandon());

it('K1: asks again until it is accepted, and remembers why it was not', async () => {
  door.accepts = false;
  await members.ask([A, B, D]);
  expect(await members.look()).toBeNull();
  door.accepts = true;
  await sleep(600);
  expect([members.asked, members.accepted, door.ids]).toEqual([1, 1, [1, 2, 4]]);
  expect([...members.refusals.keys()]).toEqual(['fetch failed: nobody there']);
});

it('K1: what is asked for later takes the place of what was not accepted', async () => {
  door.accepts = false;
  await members.ask([A, B, D]);
  await members.ask([C, D, E]);
  door.accepts = true;
  await sleep(600);
  expect([members.asked, members.accepted, door.ids]).toEqual([2, 1, [3, 4, 5]]);
});

it('K1: nothing is asked for any more once it is abandoned', async () => {
  door.accepts = false;
  await members.ask([A, B, D]);
  members.abandon();
  door.accepts = true;
  await sleep(600);
  expect([members.accepted, door.ids]).toEqual([0, [1, 2, 3]]);
});

it('K2: a majority of each set that may be in force is needed to commit', async () => {
  expect(members.cannotCommit([A])).toBe(false);
  expect(members.cannotCommit([A, B])).toBe(true);
  await members.ask([B, C, D, E]);
  expect(members.cannotCommit([A, B])).toBe(false);
  expect(members.cannotCommit([B, C])).toBe(true);
  expect(members.cannotCommit([C, D, E])).toBe(false);
  door.complete = true;
  expect(await members.look()).toEqual([B, C, D, E]);
  expect(members.cannotCommit([D, E])).toBe(true);
});

it('K2: while a change is not complete, both sets may be in force', async () => {
  await members.ask([C, D, E]);
  expect(await members.look()).toBeNull();
  expect(members.cannotCommit([D, E])).toBe(false);
  expect(await members.unfinished()).toBe(`asked for ${C}, ${D}, ${E}, accepted 3, 4, 5; a copy`);
});

it('K2: a look that a request overtakes decides nothing', async () => {
  let answer = (): void => undefined;
  door.answers = new Promise((resolve) => (answer = resolve));
  const looking = members.look();
  await members.ask([C, D, E]);
  answer();
  expect(await looking).toBeNull();
  expect(members.cannotCommit([A, B])).toBe(false);
});

it('K2: others than were asked for are never what it ends with', async () => {
  await members.ask([C, D, E]);
  [door.ids, door.complete] = [[1, 2, 3], true];
  expect(await members.look()).toBeNull();
});
