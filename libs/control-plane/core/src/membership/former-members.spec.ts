import { type Member, Membership, type SettledMembership } from '@neon/consensus';
import { CommandHandler, MemoryEventStore } from '@neon/event-sourcing';
import { Clock, Random, SafekeeperId, Unavailable } from '@neon/kernel';
import type { BranchAddress } from '../branch/branch-storage';
import { FormerMembers } from './former-members';
import { timelineMembersDecider } from './timeline-members';

const ADDRESS = { projectId: 'quiet-river-1', branchId: 'br-quiet-river-1' };
const members = (...ids: number[]): Member[] =>
  ids.map((id) => ({ safekeeperId: SafekeeperId.of(id), incarnation: `${id}a` }));
const settled = (generation: number, ...ids: number[]) => Membership.settled(generation, members(...ids));

class TestClock extends Clock {
  nowMs = 1_000;
  override now = () => this.nowMs;
}
class TestRandom extends Random {
  private next = 0;
  override bytes = (count: number) => Uint8Array.from({ length: count }, () => (this.next += 7) % 251);
}

/** One store; safekeepers that remember what they were told; and as many processes as are begun. */
class Installation {
  readonly clock = new TestClock();
  readonly away = new Set<number>();
  readonly failing = new Set<number>();
  readonly asked: string[] = [];
  readonly log: string[] = [];
  /** Before a safekeeper answers. */
  before: () => Promise<void> = () => Promise.resolve();
  private readonly handler: CommandHandler;

  constructor() {
    this.handler = new CommandHandler(new MemoryEventStore(), { clock: this.clock, random: new TestRandom() });
  }

  async stores(...memberships: SettledMembership[]): Promise<this> {
    return this.storesFor(ADDRESS, ...memberships);
  }

  async storesFor({ projectId, branchId }: BranchAddress, ...memberships: SettledMembership[]): Promise<this> {
    await this.handler.execute({ actor: 'test' }, async (unit) => {
      await unit.decide(timelineMembersDecider, branchId, {
        type: 'FoundTimeline',
        projectId,
        safekeeperIds: [1, 2, 3],
      });
      for (const membership of memberships)
        await unit.decide(timelineMembersDecider, branchId, { type: 'StoreMembership', membership });
    });
    return this;
  }

  process(): FormerMembers {
    return new FormerMembers({
      handler: this.handler,
      clock: this.clock,
      safekeepers: { isAlive: (id) => !this.away.has(id) },
      acceptors: {
        remove: async ({ branchId }, { safekeeperId }, { generation }) => {
          this.asked.push(`${safekeeperId} of ${branchId} in ${generation}`);
          await this.before();
          if (this.failing.has(safekeeperId)) throw new Unavailable(`safekeeper ${safekeeperId} fails`);
        },
      },
      onRemoved: ({ member }) => this.log.push(`${member.safekeeperId} removed it`),
      onFault: (error, { member }) => this.log.push(`${member.safekeeperId}: ${String(error)}`),
    });
  }

  async left(): Promise<readonly number[]> {
    const state = await this.handler.state(timelineMembersDecider, ADDRESS.branchId);
    return (state?.former ?? []).map(({ safekeeperId }) => safekeeperId);
  }
}

const REPLACED = [settled(1, 1, 2, 3), settled(2, 1, 2, 4)];
const IN_2 = `3 of ${ADDRESS.branchId} in 2`;

describe('what former members still hold', () => {
  it('F1, F3: is removed when the change is complete, once, and that is recorded', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    await former.look();
    expect([installation.asked, former.count]).toEqual([[], 0]);
    await former.complete(ADDRESS, 2);
    expect(former.count).toBe(1);
    await former.look();
    await former.look();
    expect([installation.asked, installation.log]).toEqual([[IN_2], ['3 removed it']]);
    expect([await installation.left(), former.count]).toEqual([[], 0]);
    const next = installation.process();
    await next.complete(ADDRESS, 2);
    await next.look();
    expect(installation.asked).toEqual([IN_2]);
  });

  it('F1: is not touched in a membership that is not the stored one, or joint', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    await former.complete(ADDRESS, 1);
    await former.look();
    const joint = Membership.joint(settled(2, 1, 2, 4), members(1, 2, 5));
    await installation.stores(joint as never);
    await former.complete(ADDRESS, 3);
    await former.look();
    expect([installation.asked, former.count]).toEqual([[], 0]);
  });

  it('F1: is not touched any more when another change has begun, and is when that is complete', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    await former.complete(ADDRESS, 2);
    await installation.stores(settled(3, 1, 2, 5));
    await former.look();
    expect([installation.asked, former.count]).toEqual([[], 0]);
    await former.complete(ADDRESS, 3);
    await former.look();
    expect(installation.asked.sort()).toEqual([`3 of ${ADDRESS.branchId} in 3`, `4 of ${ADDRESS.branchId} in 3`]);
  });

  it('F1: stays with one that is a member again', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    await former.complete(ADDRESS, 2);
    await installation.stores(settled(3, 1, 2, 3));
    await former.complete(ADDRESS, 3);
    await former.look();
    expect(installation.asked).toEqual([`4 of ${ADDRESS.branchId} in 3`]);
  });

  it('F3: of which the confirmation comes when the membership is another one is asked for again', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    await former.complete(ADDRESS, 2);
    installation.before = async () => void (await installation.stores(settled(3, 1, 2, 5)));
    await former.look();
    expect(await installation.left()).toEqual([3, 4]);
    installation.before = () => Promise.resolve();
    await former.complete(ADDRESS, 3);
    await former.look();
    expect(await installation.left()).toEqual([]);
  });

  it('F2: waits for a safekeeper that does not report, however long, and is removed when it does', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    installation.away.add(3);
    await former.complete(ADDRESS, 2);
    for (let hours = 0; hours < 48; hours++) {
      installation.clock.nowMs += 3_600_000;
      await former.look();
    }
    expect([installation.asked, installation.log, former.count]).toEqual([[], [], 0]);
    installation.away.delete(3);
    expect(former.count).toBe(1);
    await former.look();
    expect(await installation.left()).toEqual([]);
  });

  it('F2: of one that fails is asked for again after a while, and its fault is told once', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    installation.failing.add(3);
    await former.complete(ADDRESS, 2);
    await former.look();
    // What is complete is told again and again.
    await former.complete(ADDRESS, 2);
    await former.look();
    expect(installation.asked).toEqual([IN_2]);
    installation.clock.nowMs += 30_000;
    await former.look();
    expect(installation.asked).toEqual([IN_2, IN_2]);
    expect(installation.log).toEqual(['3: Unavailable: safekeeper 3 fails']);
    expect([former.count, await installation.left()]).toEqual([1, [3]]);
    installation.failing.clear();
    installation.clock.nowMs += 30_000;
    await former.look();
    expect([former.count, await installation.left()]).toEqual([0, []]);
  });

  it('F2: of many branches is asked for a few at a time, and one that takes long does not hold up what is complete', async () => {
    const installation = new Installation();
    const former = installation.process();
    const addresses = Array.from({ length: 20 }, (_, index) => ({ ...ADDRESS, branchId: `br-${index}` }));
    let [running, most] = [0, 0];
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    installation.before = async () => {
      most = Math.max(most, ++running);
      await held;
      running--;
    };
    for (const address of addresses) {
      await installation.storesFor(address, ...REPLACED);
      await former.complete(address, 2);
    }
    const looking = former.look();
    await installation.stores(...REPLACED);
    await former.complete(ADDRESS, 2);
    expect(former.count).toBe(21);
    release();
    await looking;
    expect([most, former.count]).toEqual([4, 1]);
  });

  it('of branches that are no more is forgotten', async () => {
    const installation = await new Installation().stores(...REPLACED);
    const former = installation.process();
    await former.complete(ADDRESS, 2);
    former.keep(() => true);
    expect(former.count).toBe(1);
    former.keep(() => false);
    await former.look();
    expect([installation.asked, former.count]).toEqual([[], 0]);
  });
});
