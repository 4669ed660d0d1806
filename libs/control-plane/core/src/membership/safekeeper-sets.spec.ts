import { type Member, MemberRecord } from '@neon/consensus';
import { CommandHandler, MemoryEventStore, streamOf } from '@neon/event-sourcing';
import { Clock, Random, Refusal } from '@neon/kernel';
import { OperationQueue } from '../operation/operation-queue';
import { projectDecider } from '../project/project';
import { DEFAULT_ENDPOINT_SETTINGS } from '../project/settings';
import { readTimelineMembers } from './read-timeline-members';
import { KnownSafekeepers, SafekeeperSets, wantedMembersOf } from './safekeeper-sets';
import { timelineMembersDecider } from './timeline-members';

const PROJECT = 'quiet-river-1';
const BY = { actor: 'test' };

class TestSafekeepers extends KnownSafekeepers {
  readonly away = new Set<number>();
  readonly lives = new Map<number, string>();
  /** What is not known before it is asked for. */
  readonly newLives = new Map<number, string>();
  override ask(safekeeperIds: readonly number[]): Promise<readonly number[]> {
    for (const id of safekeeperIds) this.lives.set(id, this.newLives.get(id) ?? this.lives.get(id) ?? 'a');
    return Promise.resolve(safekeeperIds);
  }
  override member(safekeeperId: number): Member {
    if (safekeeperId > 6) throw new Refusal('SafekeeperUnknown');
    return MemberRecord.parse({ safekeeperId, incarnation: this.lives.get(safekeeperId) ?? 'a' });
  }
  override isAlive = (safekeeperId: number) => !this.away.has(safekeeperId);
}
class TestClock extends Clock {
  override now = () => 1_000;
}
class TestRandom extends Random {
  private next = 0;
  override bytes = (count: number) => Uint8Array.from({ length: count }, () => (this.next += 7) % 251);
}
class SilentQueue extends OperationQueue {
  override nudge = () => undefined;
  override ended = () => Promise.resolve();
}

describe('the safekeepers of a project', () => {
  let safekeepers: TestSafekeepers;
  let store: MemoryEventStore;
  let handler: CommandHandler;
  let sets: SafekeeperSets;

  beforeEach(async () => {
    safekeepers = new TestSafekeepers();
    store = new MemoryEventStore();
    const ambient = { clock: new TestClock(), random: new TestRandom() };
    handler = new CommandHandler(store, ambient);
    sets = new SafekeeperSets({ handler, queue: new SilentQueue(), ...ambient }, safekeepers);
    const settings = {
      name: 'p',
      historyRetentionSeconds: 1,
      defaultEndpointSettings: DEFAULT_ENDPOINT_SETTINGS,
      allowedIps: { ips: [], protectedBranchesOnly: false },
    };
    const created = { projectId: PROJECT, pgVersion: 17, regionId: 'aws-x', storePasswords: true, settings };
    await handler.execute(BY, (unit) => unit.decide(projectDecider, PROJECT, { type: 'CreateProject', ...created }));
  });

  async function placed(): Promise<void> {
    await handler.execute(BY, async (unit) => {
      const placement = { pageserverId: 1, safekeeperIds: [1, 2, 3] };
      await unit.decide(projectDecider, PROJECT, { type: 'PlaceProject', placement });
      for (const branchId of ['br-1', 'br-2'])
        await unit.decide(projectDecider, PROJECT, { type: 'AddBranch', branchId, name: branchId, parentId: null });
      await unit.decide(timelineMembersDecider, 'br-2', {
        type: 'FoundTimeline',
        projectId: PROJECT,
        safekeeperIds: [1, 2, 5],
      });
    });
  }
  const project = async () => {
    const state = await handler.state(projectDecider, PROJECT);
    if (state === null) throw new Error('it was created');
    return state;
  };

  it('Z1: are what is asked for, and branches that had no founders recorded have those from before', async () => {
    await placed();
    await sets.change(PROJECT, [1, 2, 4], BY);
    const { placement } = await project();
    expect(placement).toEqual({ pageserverId: 1, safekeeperIds: [1, 2, 4] });
    const founders = async (branchId: string) =>
      (await readTimelineMembers(handler, { projectId: PROJECT, branchId })).founderIds;
    expect([await founders('br-1'), await founders('br-2')]).toEqual([
      [1, 2, 3],
      [1, 2, 5],
    ]);
    // Of a branch that is made afterwards, before it is.
    expect(await founders('br-3')).toEqual([1, 2, 4]);
  });

  it('Z1: asking twice records nothing more', async () => {
    await placed();
    await sets.change(PROJECT, [1, 2, 4], BY);
    const before = (await store.readAll(0, 100)).length;
    await sets.change(PROJECT, [1, 2, 4], BY);
    expect((await store.readAll(0, 100)).length).toBe(before);
    expect((await store.readStream(streamOf(projectDecider, PROJECT))).at(-1)?.type).toBe('ProjectSafekeepersChanged');
  });

  it('Z2: are the disks that they are when they are asked for', async () => {
    await placed();
    expect(wantedMembersOf(await project())).toBeNull();
    safekeepers.newLives.set(3, 'b');
    await sets.change(PROJECT, [1, 2, 3], BY);
    expect(wantedMembersOf(await project())?.map(({ incarnation }) => incarnation)).toEqual(['a', 'a', 'b']);
  });

  it('are refused when half of them does not report, when nobody knows one, and when they are no set', async () => {
    await placed();
    safekeepers.away.add(4);
    await sets.change(PROJECT, [1, 2, 4], BY);
    safekeepers.away.add(5);
    const refused = (ids: number[]) => sets.change(PROJECT, ids, BY);
    await expect(refused([1, 4, 5])).rejects.toMatchObject({ code: 'SafekeepersAway' });
    await expect(refused([1, 4])).rejects.toMatchObject({ code: 'SafekeepersAway' });
    await expect(refused([1, 2, 9])).rejects.toMatchObject({ code: 'SafekeeperUnknown' });
    await expect(refused([1, 1, 2])).rejects.toMatchObject({ code: 'SafekeeperSetInvalid' });
    await expect(refused([])).rejects.toMatchObject({ code: 'SafekeeperSetInvalid' });
  });

  it('are refused of a project that is nowhere yet, or is not there', async () => {
    await expect(sets.change(PROJECT, [1, 2, 3], BY)).rejects.toMatchObject({ code: 'BranchNotReady' });
    await expect(sets.change('other', [1, 2, 3], BY)).rejects.toMatchObject({ code: 'ProjectNotFound' });
  });
});
