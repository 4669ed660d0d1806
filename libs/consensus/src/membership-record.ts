/**
 * A membership as plain data: in the JSON of management APIs, in compute specs, in events.
 *
 *   MR1  `parse(of(membership))` equals `membership`.
 *   MR2  What is no membership is a RangeError: no members, one safekeeper twice, new members without former ones.
 */
import { SafekeeperId } from '@neon/kernel';
import { type Member, Membership } from './membership';

export interface MemberRecord {
  readonly safekeeperId: number;
  readonly incarnation: string;
}

export interface MembershipRecord {
  readonly generation: number;
  /** Of a founding membership, which lists nobody, absent. */
  readonly members?: readonly MemberRecord[] | undefined;
  /** Of a joint membership alone. */
  readonly newMembers?: readonly MemberRecord[] | undefined;
}

export const MemberRecord = {
  of: ({ safekeeperId, incarnation }: Member): { safekeeperId: number; incarnation: string } => ({
    safekeeperId,
    incarnation,
  }),
  /** @throws RangeError */
  parse: ({ safekeeperId, incarnation }: MemberRecord): Member => ({
    safekeeperId: SafekeeperId.of(safekeeperId),
    incarnation,
  }),
};

export const MembershipRecord = {
  of(membership: Membership): {
    generation: number;
    members?: ReturnType<typeof MemberRecord.of>[];
    newMembers?: ReturnType<typeof MemberRecord.of>[];
  } {
    const { generation } = membership;
    if (membership.kind === 'founding') return { generation };
    const members = membership.members.map(MemberRecord.of);
    if (membership.kind === 'settled') return { generation, members };
    return { generation, members, newMembers: membership.newMembers.map(MemberRecord.of) };
  },

  /** @throws RangeError (MR2) */
  parse({ generation, members, newMembers }: MembershipRecord): Membership {
    if (members === undefined) {
      if (newMembers !== undefined) throw new RangeError('a membership with new members and no former ones');
      return Membership.founding(generation);
    }
    if (newMembers === undefined) return Membership.settled(generation, members.map(MemberRecord.parse));
    const from = Membership.settled(generation - 1, members.map(MemberRecord.parse));
    return Membership.joint(from, newMembers.map(MemberRecord.parse));
  },
};
