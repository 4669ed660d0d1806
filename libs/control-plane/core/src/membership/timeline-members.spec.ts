import { Membership } from '@neon/consensus';
import { given } from '@neon/event-sourcing';
import { SafekeeperId } from '@neon/kernel';
import { type TimelineMembersEvent, membershipOf, safekeeperIdsOf, timelineMembersDecider } from './timeline-members';

const members = (...ids: number[]) => ids.map((id) => ({ safekeeperId: SafekeeperId.of(id), incarnation: 'a' }));
const FOUNDED: TimelineMembersEvent = { type: 'TimelineFounded', projectId: 'p', safekeeperIds: [1, 2, 3] };
const FIRST = Membership.settled(1, members(1, 2, 3));
const stored = (generation: number, ...ids: number[]): TimelineMembersEvent => ({
  type: 'MembershipStored',
  membership: { generation, members: members(...ids) },
});

describe('who keeps a branch', () => {
  it('Y1: has the founders that were recorded first', () => {
    const found = { type: 'FoundTimeline', projectId: 'p', safekeeperIds: [1, 2, 3] } as const;
    given(timelineMembersDecider).when(found).then(FOUNDED);
    given(timelineMembersDecider, FOUNDED)
      .when({ ...found, safekeeperIds: [4, 5, 6] })
      .then();
  });

  it('Y2: is stored one generation after the other; the first list has the founding one', () => {
    const store = (membership: typeof FIRST) => ({ type: 'StoreMembership', membership }) as const;
    given(timelineMembersDecider, FOUNDED)
      .when(store(FIRST))
      .then(stored(1, 1, 2, 3));
    given(timelineMembersDecider, FOUNDED)
      .when(store(Membership.settled(2, members(1, 2, 4))))
      .then();
    const listed = given(timelineMembersDecider, FOUNDED, stored(1, 1, 2, 3));
    listed.when(store(FIRST)).then();
    listed.when(store(Membership.settled(2, members(1, 2, 4)))).then(stored(2, 1, 2, 4));
    listed.when(store(Membership.settled(3, members(1, 2, 4)))).then();
    given(timelineMembersDecider).when(store(FIRST)).refused('BranchNotReady');
  });

  it('Y3: remembers who was a member, each once, and not who is again', () => {
    const events = [FOUNDED, stored(1, 1, 2, 3), stored(2, 1, 2, 4), stored(3, 1, 2, 3), stored(4, 1, 2, 5)];
    const state = events.reduce(timelineMembersDecider.evolve, timelineMembersDecider.initial);
    expect(state?.former).toEqual(members(4, 3));
  });

  it('Y3: forgets one that has confirmed that nothing is left with it, in the membership that is stored, and not another', () => {
    const former = given(timelineMembersDecider, FOUNDED, stored(1, 1, 2, 3), stored(2, 1, 2, 4));
    const record = (id: number, generation: number) =>
      ({ type: 'RecordRemoval', member: members(id)[0]!, generation }) as const;
    const removed: TimelineMembersEvent = {
      type: 'FormerMemberRemoved',
      member: { safekeeperId: 3, incarnation: 'a' },
    };
    former.when(record(3, 2)).then(removed);
    former.when(record(3, 1)).then();
    former.when(record(4, 2)).then();
    given(timelineMembersDecider, FOUNDED).when(record(3, 1)).then();
    given(timelineMembersDecider).when(record(3, 1)).then();
    const events = [FOUNDED, stored(1, 1, 2, 3), stored(2, 1, 4, 5), removed];
    const after = (more: readonly TimelineMembersEvent[]) =>
      [...events, ...more].reduce(timelineMembersDecider.evolve, timelineMembersDecider.initial)?.former;
    expect(after([])).toEqual(members(2));
    // It may be a member again, and be one no more again.
    expect(after([stored(3, 3, 4, 5), stored(4, 1, 4, 5)])).toEqual(members(2, 3));
  });

  it('counts by the founders until they are listed, and then by the list, of both sets', () => {
    const founded = timelineMembersDecider.evolve(null, FOUNDED);
    if (founded === null) throw new Error('it was founded');
    expect([membershipOf(founded), safekeeperIdsOf(founded)]).toEqual([Membership.founding(1), [1, 2, 3]]);
    const membership = Membership.joint(FIRST, members(1, 2, 4));
    expect(safekeeperIdsOf({ ...founded, membership })).toEqual([1, 2, 3, 4]);
  });
});
