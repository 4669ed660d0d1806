import { SafekeeperId } from '@neon/kernel';
import { Membership } from './membership';
import { MembershipRecord } from './membership-record';

const member = (id: number) => ({ safekeeperId: SafekeeperId.of(id), incarnation: `disk ${id}` });
const settled = Membership.settled(4, [1, 2, 3].map(member));

describe('a membership as plain data', () => {
  it.each([Membership.founding(1), settled, Membership.joint(settled, [member(1), member(4)])])(
    'MR1: comes back from JSON as it was: $kind',
    (membership) => {
      const text = JSON.stringify(MembershipRecord.of(membership));
      expect(MembershipRecord.parse(JSON.parse(text) as MembershipRecord)).toEqual(membership);
    },
  );

  it('MR2: refuses what is no membership', () => {
    const members = [member(1)];
    expect(() => MembershipRecord.parse({ generation: 2, members: [] })).toThrow(RangeError);
    expect(() => MembershipRecord.parse({ generation: 2, members: [member(1), member(1)] })).toThrow('twice');
    expect(() => MembershipRecord.parse({ generation: 2, newMembers: members })).toThrow('no former ones');
    expect(() => MembershipRecord.parse({ generation: 2, members, newMembers: [] })).toThrow(RangeError);
  });
});
