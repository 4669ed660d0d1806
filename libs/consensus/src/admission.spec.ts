import { SafekeeperId } from '@neon/kernel';
import { admit } from './admission';
import { Membership } from './membership';

const SELF = { safekeeperId: SafekeeperId.of(1), incarnation: 'this disk' };
const ASKED = { incarnation: SELF.incarnation, membership: Membership.settled(2, [SELF]) };

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
  });

  test('makes none for a membership without it (L2)', () => {
    const membership = Membership.settled(2, [{ ...SELF, incarnation: 'a disk before' }]);
    expect(admit('absent', { ...ASKED, membership }, SELF)).toBe('NotAMember');
  });
});
