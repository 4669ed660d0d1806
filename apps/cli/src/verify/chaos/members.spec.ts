import { setTimeout as sleep } from 'node:timers/promises';
import { type Door, Members } from './members';

const [A, B, C, D, E] = [1, 2, 3, 4, 5].map((id) => `safekeeper-${id}`) as [string, string, string, string, string];

/** A control plane that accepts while `accepts`, completes when told, and hears of another disk when that is told. */
class MemoryDoor implements Door {
  accepts = true;
  complete = true;
  ids: readonly number[] = [1, 2, 3];
  answers: Promise<void> = Promise.resolve();
  /** By safekeeper: how many disks it has had. */
  readonly lives = new Map([1, 2, 3, 4, 5].map((id) => [id, 1]));
  private listed: { safekeeper_id: number; incarnation?: string }[] = this.ids.map((id) => ({ safekeeper_id: id }));

  private diskOf = (id: number): string => `${id}, disk ${this.lives.get(id)}`;

  list() {
    return Promise.resolve([...this.lives.keys()].map((id) => ({ id, incarnation: this.diskOf(id) })));
  }

  async of() {
    const shown = { safekeeper_ids: [...this.ids], complete: this.complete, members: this.listed };
    await this.answers;
    const branch = { branch_id: 'br', waiting_for: ['a copy'], complete: shown.complete, members: shown.members };
    return { safekeeper_ids: shown.safekeeper_ids, branches: [branch] };
  }

  heardOfNextDisk(id: number): void {
    this.lives.set(id, (this.lives.get(id) ?? 0) + 1);
  }

  set(_projectId: string, ids: readonly number[]): Promise<void> {
    if (!this.accepts) return Promise.reject(new Error('fetch failed', { cause: new Error('nobody there') }));
    this.ids = ids;
    this.listed = ids.map((id) => ({ safekeeper_id: id, incarnation: this.diskOf(id) }));
    this.complete = false;
    return Promise.resolve();
  }
}

let door: MemoryDoor;
let members: Members;
beforeEach(async () => {
  door = new MemoryDoor();
  members = await Members.of(door, 'project');
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

/** The change that was asked for last is complete, and that was seen. */
async function completed(): Promise<void> {
  door.complete = true;
  expect(await members.look()).not.toBeNull();
}

it('K1: a set that one of its disks was lost from is asked for again, when there is another one', async () => {
  await members.ask([A, B, D]);
  expect(members.lose(D)).toBe(true);
  await sleep(400);
  expect([members.asked, members.accepted]).toEqual([2, 1]);
  door.heardOfNextDisk(4);
  await sleep(400);
  expect([members.accepted, door.ids]).toEqual([2, [1, 2, 4]]);
});

it('K1: what was seen before it had to be asked for again decides nothing', async () => {
  await members.ask([A, B, D]);
  door.complete = true;
  let answer = (): void => undefined;
  door.answers = new Promise((resolve) => (answer = resolve));
  const looking = members.look();
  expect(members.lose(D)).toBe(true);
  answer();
  expect(await looking).toBeNull();
});

it('K2: a lost disk is missing where it is a member, whatever its safekeeper does', async () => {
  expect(members.lose(A)).toBe(true);
  expect(members.cannotCommit([])).toBe(false);
  expect(members.cannotCommit([B])).toBe(true);
  door.heardOfNextDisk(1);
  await members.look();
  expect(members.cannotCommit([B])).toBe(true);
});

it('K2: where a later disk may be a member, the lost one is not missing for certain', async () => {
  await members.ask([A, D, E]);
  expect(members.lose(A)).toBe(true);
  expect(members.cannotCommit([B, D])).toBe(false);
  door.heardOfNextDisk(1);
  await sleep(400);
  await completed();
  expect(members.cannotCommit([D])).toBe(false);
  expect(members.cannotCommit([A, D])).toBe(true);
});

it('K3: of three disks one may be lost, and another when the change that drops it is complete', async () => {
  expect([members.lose(A), members.lose(A), members.lose(B)]).toEqual([true, false, false]);
  await members.ask([B, C, D]);
  expect(members.lose(B)).toBe(false);
  await members.look();
  expect(members.lose(B)).toBe(false);
  await completed();
  expect([members.lose(B), members.lose(C)]).toEqual([true, false]);
  expect([members.lostCount, members.keptCount]).toEqual([2, 5]);
});

it('K3: that it runs again, or is wanted again, does not bring back what was on its disk', async () => {
  expect(members.lose(A)).toBe(true);
  door.heardOfNextDisk(1);
  await members.ask([A, B, C]);
  expect([members.lose(A), members.lose(B)]).toEqual([true, false]);
  door.heardOfNextDisk(1);
  await sleep(400);
  await completed();
  expect(members.lose(B)).toBe(true);
});

it('K3: each set that may be in force keeps a majority of its disks; of five, two may be lost', async () => {
  await members.ask([A, B, C, D, E]);
  expect([members.lose(E), members.lose(A), members.lose(B)]).toEqual([true, true, false]);
  // E counts in one set, B in both.
  expect(members.lose(D)).toBe(false);
});

it('K3: a disk that is in no set may be lost, but not one that was not heard of', async () => {
  expect([members.lose(A), members.lose(D), members.lose(D)]).toEqual([true, true, false]);
  door.heardOfNextDisk(4);
  expect(members.lose(D)).toBe(false);
  await members.look();
  expect(members.lose(D)).toBe(true);
});

it('K4: a safekeeper is not asked for before its next disk was heard of', async () => {
  expect(members.lose(A)).toBe(true);
  await members.ask([A, B, C]);
  expect([members.accepted, [...members.refusals.keys()]]).toEqual([
    0,
    ['the control plane has not heard of the next disk'],
  ]);
  door.heardOfNextDisk(1);
  await sleep(400);
  expect(members.accepted).toBe(1);
});

it('blank is whoever lost its disk, until it may be a member again', async () => {
  await members.ask([B, C, E]);
  expect([members.lose(D), members.lose(A), members.lose(E)]).toEqual([true, true, true]);
  // E was asked for, and may have been taken as its next disk.
  expect(members.blank).toEqual([D, A]);
  door.heardOfNextDisk(4);
  await members.ask([B, C, D]);
  expect(members.blank).toEqual([A]);
});
