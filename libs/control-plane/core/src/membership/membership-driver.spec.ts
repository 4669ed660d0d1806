/**
 * Changes of membership over safekeepers that run the real acceptor, with a driver that dies at any of its acts: the store keeps
 * what was stored, disks what was configured and copied, and another process begins from there.
 */
import {
  Acceptor,
  type AcceptorPosition,
  AcceptorState,
  Member,
  Membership,
  type TimelineIdentity,
} from '@neon/consensus';
import { CommandHandler, type EventStore, MemoryEventStore, type StreamAppend } from '@neon/event-sourcing';
import {
  Clock,
  Lsn,
  Random,
  Refusal,
  SafekeeperId,
  SystemId,
  TenantId,
  Term,
  TimelineId,
  Unavailable,
} from '@neon/kernel';
import { Acceptors, type Configuration, type Seed } from './acceptors';
import { MembershipDriver } from './membership-driver';
import { type TimelineMembers, timelineMembersDecider } from './timeline-members';

const ADDRESS = { projectId: 'quiet-river-1', branchId: 'br-quiet-river-1' };
const START = Lsn.parse('0/1000000');
const IDENTITY: TimelineIdentity = {
  tenantId: TenantId.parse('ab'.repeat(16)),
  timelineId: TimelineId.parse('cd'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('7'),
  walSegmentSize: 16_777_216,
};
const member = (id: number, life = 'a'): Member => ({ safekeeperId: SafekeeperId.of(id), incarnation: `${id}${life}` });
const members = (...ids: number[]): Member[] => ids.map((id) => member(id));

class Killed extends Error {}

/** The disks, and who may be reached. */
class World {
  readonly disks = new Map<string, AcceptorState>();
  readonly away = new Set<number>();
  /** By safekeeper: which disk is in it now. */
  readonly present = new Map<number, string>();
  readonly announced: (readonly number[])[] = [];
  isPageserverAway = false;

  constructor(founders: readonly Member[]) {
    for (const founder of founders) this.disks.set(Member.key(founder), this.made(founder, { flush: 100 }));
    for (const each of [...founders, ...members(4, 5)]) this.present.set(each.safekeeperId, each.incarnation);
  }

  private made({ safekeeperId, incarnation }: Member, { flush }: { flush: number }): AcceptorState {
    const membership = Membership.founding(1);
    const control = AcceptorState.create({
      safekeeperId,
      identity: IDENTITY,
      membership,
      startLsn: START,
      term: Term.of(2),
    });
    return AcceptorState.recover(control, { flushLsn: Lsn.advance(START, flush), incarnation });
  }

  reached({ safekeeperId, incarnation }: Member): void {
    if (this.away.has(safekeeperId)) throw new Unavailable(`safekeeper ${safekeeperId} is away`);
    if (this.present.get(safekeeperId) !== incarnation) throw new Refusal('WrongIncarnation', 'another disk');
  }

  generations(): Record<number, number> {
    return Object.fromEntries([...this.disks.values()].map((disk) => [disk.safekeeperId, disk.membership.generation]));
  }

  /** A vote in a generation, of whoever would grant it. */
  voters(generation: number, term: number): number[] {
    return [...this.disks].flatMap(([, disk]) => {
      if (this.present.get(disk.safekeeperId) !== disk.incarnation) return [];
      const message = { kind: 'voteRequest', membershipGeneration: generation, term: Term.of(term) } as const;
      const { effects } = Acceptor.step(disk, { kind: 'received', session: 1, message });
      const granted = effects.some(
        (effect) => effect.kind === 'send' && effect.message.kind === 'voteResponse' && effect.message.granted,
      );
      return granted ? [disk.safekeeperId] : [];
    });
  }
}

/** Dies before or after the act with that number. */
class Fate {
  count = 0;
  constructor(readonly deathAt = Infinity) {}
  async act<T>(work: () => T | Promise<T>): Promise<T> {
    this.pass();
    const result = await work();
    this.pass();
    return result;
  }
  private pass(): void {
    if (this.count++ >= this.deathAt) throw new Killed();
  }
}

class WorldAcceptors extends Acceptors {
  constructor(
    private readonly world: World,
    private readonly fate: Fate,
    private readonly founding: readonly Member[],
  ) {
    super();
  }
  override founders = () => this.fate.act(() => this.founding);
  override announce = (_address: unknown, ids: readonly number[]) =>
    this.fate.act(() => {
      if (this.world.isPageserverAway) throw new Unavailable('the pageserver is away');
      this.world.announced.push(ids);
    });
  override remove = () => Promise.reject(new Error('a driver removes nothing'));
  override configure = (_address: unknown, who: Member, configuration: Configuration) =>
    this.fate.act((): AcceptorPosition | 'absent' => {
      this.world.reached(who);
      const disk = this.world.disks.get(Member.key(who));
      if (disk === undefined) return 'absent';
      const { state, effects } = Acceptor.step(disk, { kind: 'configure', request: 1, ...configuration });
      this.world.disks.set(Member.key(who), state);
      const answer = effects.find((effect) => effect.kind === 'answer');
      if (answer === undefined) throw new Error('no answer');
      return answer.position;
    });
  override seed = (_address: unknown, who: Member, { membership, donor }: Seed) =>
    this.fate.act(() => {
      this.world.reached(who);
      this.world.reached(donor);
      if (this.world.disks.has(Member.key(who))) return;
      const from = this.world.disks.get(Member.key(donor));
      if (from === undefined) throw new Refusal('TimelineUnknown', 'the donor has nothing');
      const { safekeeperId, incarnation } = who;
      const { flushLsn } = from;
      const control = AcceptorState.seed(from, { safekeeperId, membership, flushLsn });
      this.world.disks.set(Member.key(who), AcceptorState.recover(control, { flushLsn, incarnation }));
    });
}

/** A store whose appends are acts too. */
class FatefulStore extends MemoryEventStore {
  constructor(private readonly shared: { readonly store: EventStore; readonly fate: Fate }) {
    super();
  }
  override append = (appends: readonly StreamAppend[]) => this.shared.fate.act(() => this.shared.store.append(appends));
  override readStream = (stream: string, after?: number) => this.shared.store.readStream(stream, after);
  override readAll = (after: number, limit: number) => this.shared.store.readAll(after, limit);
}

class TestClock extends Clock {
  override now = () => 1_000;
}
class TestRandom extends Random {
  private next = 0;
  override bytes = (count: number) => Uint8Array.from({ length: count }, () => (this.next += 7) % 251);
}

class Installation {
  readonly store = new MemoryEventStore();
  readonly world: World;
  private readonly random = new TestRandom();

  constructor(readonly founding: readonly Member[] = members(1, 2, 3)) {
    this.world = new World(founding);
  }

  private handler(fate: Fate): CommandHandler {
    const store = new FatefulStore({ store: this.store, fate });
    return new CommandHandler(store, { clock: new TestClock(), random: this.random });
  }

  async found(): Promise<this> {
    const safekeeperIds = this.founding.map(({ safekeeperId }) => safekeeperId);
    const { projectId, branchId } = ADDRESS;
    await this.handler(new Fate()).execute({ actor: 'test' }, (unit) =>
      unit.decide(timelineMembersDecider, branchId, { type: 'FoundTimeline', projectId, safekeeperIds }),
    );
    return this;
  }

  /** One process. @returns what its drive came to; null when it was killed */
  async process(wanted: readonly Member[], fate = new Fate()) {
    const driver = new MembershipDriver(this.handler(fate), new WorldAcceptors(this.world, fate, this.founding));
    const outcome = await driver.drive(ADDRESS, wanted);
    return fate.count > fate.deathAt ? null : outcome;
  }

  async stored(): Promise<TimelineMembers> {
    const state = await this.handler(new Fate()).state(timelineMembersDecider, ADDRESS.branchId);
    if (state === null) throw new Error('it was founded');
    return state;
  }
}

const found = (founding?: readonly Member[]) => new Installation(founding).found();

describe('a change of membership', () => {
  it('replaces a dead safekeeper: by way of a joint membership, with the new one seeded', async () => {
    const installation = await found();
    const { world } = installation;
    world.away.add(3);
    expect(await installation.process(members(1, 2, 4))).toEqual({ kind: 'complete', generation: 3 });
    const { membership, former } = await installation.stored();
    expect(membership).toEqual(Membership.settled(3, members(1, 2, 4)));
    expect(former).toEqual(members(3));
    expect(world.generations()).toEqual({ 1: 3, 2: 3, 3: 1, 4: 3 });
    expect(world.disks.get(Member.key(member(4)))).toMatchObject({ flushLsn: Lsn.advance(START, 100), term: 2 });
    // X3
    expect(world.announced).toEqual([
      [1, 2, 3],
      [1, 2, 3, 4],
      [1, 2, 4],
    ]);
  });

  it('the member that was replaced has no vote when it comes back, and those who replaced it have none in its generation', async () => {
    const installation = await found();
    installation.world.away.add(3);
    await installation.process(members(1, 2, 4));
    expect(installation.world.voters(1, 9)).toEqual([3]);
    expect(installation.world.voters(3, 9)).toEqual([1, 2, 4]);
  });

  it('a disk that was wiped comes back as another member, which votes only once it is one', async () => {
    const installation = await found();
    const { world } = installation;
    world.present.set(3, '3b');
    expect(await installation.process(members(1, 2, 3))).toMatchObject({
      kind: 'waiting',
      isSettled: true,
      reasons: ['configure safekeeper 3: another disk'],
    });
    expect(world.voters(1, 9)).toEqual([1, 2]);
    const wanted = [member(1), member(2), member(3, 'b')];
    expect(await installation.process(wanted)).toMatchObject({ kind: 'complete' });
    expect(world.voters(3, 9)).toEqual([1, 2, 3]);
    expect((await installation.stored()).former).toEqual([member(3)]);
  });

  it.each([
    ['3 to 5', members(1, 2, 3), members(1, 2, 3, 4, 5)],
    ['5 to 3', members(1, 2, 3, 4, 5), members(1, 4, 5)],
    ['all of three for others', members(1, 2, 3), members(3, 4, 5)],
  ])('%s', async (_, founding, wanted) => {
    const installation = await found(founding);
    expect(await installation.process(wanted)).toMatchObject({ kind: 'complete' });
    expect((await installation.stored()).membership).toEqual(Membership.settled(3, wanted));
  });

  it('X1: is completed by the next process, at whatever act the one before was killed', async () => {
    const counting = new Fate();
    const undisturbed = await found();
    undisturbed.world.away.add(3);
    await undisturbed.process(members(1, 2, 4), counting);
    expect(counting.count).toBeGreaterThan(20);
    for (let deathAt = 0; deathAt < counting.count; deathAt++) {
      const installation = await found();
      installation.world.away.add(3);
      expect(await installation.process(members(1, 2, 4), new Fate(deathAt))).toBeNull();
      expect(await installation.process(members(1, 2, 4))).toMatchObject({ kind: 'complete' });
      const { membership } = await installation.stored();
      expect(membership).toEqual(Membership.settled(3, members(1, 2, 4)));
      expect(installation.world.generations()).toEqual({ 1: 3, 2: 3, 3: 1, 4: 3 });
    }
  });

  it('X1: is given up for another set that is wanted meanwhile, wherever it was', async () => {
    for (let deathAt = 0; deathAt < 30; deathAt++) {
      const installation = await found();
      installation.world.away.add(3);
      await installation.process(members(1, 2, 4), new Fate(deathAt));
      expect(await installation.process(members(1, 2, 5))).toMatchObject({ kind: 'complete' });
      expect((await installation.stored()).membership?.members).toEqual(members(1, 2, 5));
    }
  });

  it('X2: two processes at once end with one membership', async () => {
    const installation = await found();
    installation.world.away.add(3);
    const outcomes = await Promise.all([
      installation.process(members(1, 2, 4)),
      installation.process(members(1, 2, 4)),
    ]);
    expect(outcomes).toMatchObject([{ kind: 'complete' }, { kind: 'complete' }]);
    expect((await installation.stored()).membership).toEqual(Membership.settled(3, members(1, 2, 4)));
  });

  it('X3: goes on without the pageserver, and is complete when that was told', async () => {
    const installation = await found();
    installation.world.isPageserverAway = true;
    expect(await installation.process(members(1, 2, 4))).toEqual({
      kind: 'waiting',
      isSettled: true,
      reasons: ['announce: the pageserver is away'],
    });
    installation.world.isPageserverAway = false;
    expect(await installation.process(members(1, 2, 4))).toMatchObject({ kind: 'complete' });
    expect(installation.world.announced).toEqual([[1, 2, 4]]);
  });

  it('X4: says what it waits for: nothing is changed without a majority of the former members', async () => {
    const installation = await found();
    installation.world.away.add(2).add(3);
    expect(await installation.process(members(1, 4, 5))).toEqual({
      kind: 'waiting',
      isSettled: false,
      reasons: ['configure safekeeper 2: safekeeper 2 is away', 'configure safekeeper 3: safekeeper 3 is away'],
    });
    expect((await installation.stored()).membership?.kind).toBe('joint');
    installation.world.away.delete(2);
    expect(await installation.process(members(1, 4, 5))).toMatchObject({ kind: 'complete' });
  });

  it('X4: ends when safekeepers know of a membership that the store has forgotten', async () => {
    const installation = await found();
    const known = installation.world.disks.get(Member.key(member(1)));
    if (known === undefined) throw new Error('it is there');
    const { state } = Acceptor.step(known, {
      kind: 'configure',
      request: 1,
      membership: Membership.settled(9, members(1, 2, 3)),
      minTerm: Term.ZERO,
    });
    installation.world.disks.set(Member.key(member(1)), state);
    expect(await installation.process(members(1, 2, 4))).toMatchObject({ kind: 'waiting' });
  });
});
