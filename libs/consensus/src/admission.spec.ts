import { SafekeeperId } from '@neon/kernel';
import { admit, admitRemoval, isAbsentFor, isRemovable, membershipToTell, positionOfRemoved } from './admission';
import { Membership } from './membership';
import { type ChangeInput, MembershipChange } from './membership-change';

const SELF = { safekeeperId: SafekeeperId.of(1), incarnation: 'this disk' };
const OTHER = { safekeeperId: SafekeeperId.of(2), incarnation: 'another disk' };
const ASKED = { incarnation: SELF.incarnation, membership: Membership.settled(2, [SELF]) };
/** In generation 4 it was not a member any more. */
const REMOVED = { membership: Membership.settled(4, [OTHER]) };

describe('a safekeeper that is asked to make a timeline', () => {
  test('makes it once, and keeps what is there (L3)', () => {
    expect(admit('absent', ASKED, SELF)).toBe('make');
    expect(admit('present', ASKED, SELF)).toBe('keep');
  });

  test('does not make it again after its deletion, in no generation (L1)', () => {
    for (const generation of [1, 2, 99])
      expect(admit('deleted', { ...ASKED, membership: Membership.settled(generation, [SELF]) }, SELF)).toBe(
        'TimelineDeleted',
      );
    expect(admit('deleted', { ...ASKED, membership: Membership.founding(1) }, SELF)).toBe('TimelineDeleted');
  });

  test('makes none that was meant for a disk before it (L2)', () => {
    expect(admit('absent', { ...ASKED, incarnation: 'a disk before' }, SELF)).toBe('WrongIncarnation');
    expect(admit(REMOVED, { ...ASKED, incarnation: 'a disk before' }, SELF)).toBe('WrongIncarnation');
  });

  test('makes none for a membership without it (L2)', () => {
    const membership = Membership.settled(2, [{ ...SELF, incarnation: 'a disk before' }]);
    expect(admit('absent', { ...ASKED, membership }, SELF)).toBe('NotAMember');
    const later = Membership.settled(9, [OTHER]);
    expect(admit(REMOVED, { ...ASKED, membership: later }, SELF)).toBe('NotAMember');
  });

  test('makes one that was removed again for a later membership alone, and never as a founder (L5)', () => {
    const asked = (membership: Membership) => admit(REMOVED, { ...ASKED, membership }, SELF);
    expect(asked(Membership.settled(3, [SELF]))).toBe('NotAMember');
    expect(asked(Membership.settled(4, [SELF]))).toBe('NotAMember');
    expect(asked(Membership.founding(1))).toBe('NotAMember');
    expect(asked(Membership.founding(99))).toBe('NotAMember');
    expect(asked(Membership.settled(5, [SELF]))).toBe('make');
    expect(asked(Membership.joint(REMOVED.membership, [SELF]))).toBe('make');
  });

  test('has nothing that voted in memberships after the one in which it was removed (L5)', () => {
    expect(isAbsentFor('absent', Membership.founding(1))).toBe(true);
    expect(isAbsentFor(REMOVED, Membership.settled(5, [SELF]))).toBe(true);
    for (const presence of ['present', 'deleted', REMOVED] as const)
      expect(isAbsentFor(presence, Membership.settled(4, [SELF]))).toBe(false);
  });
});

describe('a safekeeper that is asked to remove a timeline', () => {
  const request = { incarnation: SELF.incarnation, membership: REMOVED.membership };

  test('is the disk that is meant, and no member (L4)', () => {
    expect(admitRemoval(request, SELF)).toBe('ask');
    expect(admitRemoval({ ...request, incarnation: 'a disk before' }, SELF)).toBe('WrongIncarnation');
    const listed = Membership.settled(4, [OTHER, SELF]);
    expect(admitRemoval({ ...request, membership: listed }, SELF)).toBe('IsMember');
  });

  test('goes by that membership, and not by one before or after it (L4)', () => {
    expect(isRemovable(REMOVED.membership, request)).toBe(true);
    for (const current of [
      Membership.founding(4),
      Membership.settled(3, [SELF, OTHER]),
      Membership.joint(Membership.settled(3, [SELF]), [OTHER]),
      Membership.joint(REMOVED.membership, [SELF]),
      Membership.settled(6, [OTHER]),
    ])
      expect(isRemovable(current, request)).toBe(false);
  });

  test('tells a proposer of an earlier membership afterwards which one followed (L6)', () => {
    expect(membershipToTell(REMOVED, Membership.founding(1))).toBe(REMOVED.membership);
    expect(membershipToTell(REMOVED, Membership.settled(3, [SELF]))).toBe(REMOVED.membership);
    expect(membershipToTell(REMOVED, Membership.settled(4, [OTHER]))).toBeUndefined();
    expect(membershipToTell(REMOVED, Membership.settled(5, [SELF]))).toBeUndefined();
    expect(membershipToTell('absent', Membership.founding(1))).toBeUndefined();
  });

  test('tells whoever drives a change that is over the membership that followed, and counts for nothing in it (L6)', () => {
    const joint = Membership.joint(Membership.settled(2, [SELF]), [OTHER]);
    let { state } = MembershipChange.start([OTHER]);
    const step = (input: ChangeInput) => {
      const result = MembershipChange.step(state, input);
      ({ state } = result);
      return result.effects;
    };
    step({ kind: 'stored', membership: joint });
    const position = positionOfRemoved(REMOVED);
    expect(step({ kind: 'answered', member: SELF, position })).toEqual([{ kind: 'read' }]);
  });
});
