/**
 * Who votes on a timeline, and how that set changes.
 *
 *   G1  Memberships of one timeline have generations that rise by one, given out by a store that compares and swaps. Two
 *       memberships of one generation are equal.
 *   G2  Between two sets lies a joint membership, in which a quorum is one of each set.
 *   G3  A member is one life of a safekeeper's disk. A safekeeper that lost its disk is another member, which has voted for
 *       nothing and holds nothing.
 *
 * A timeline begins with a founding membership: each of its safekeepers was told that it is one, and no list of them. The
 * first list says who they were, in the same generation.
 *
 * @example Membership.joint(settled, newMembers) // generation + 1; quorums of both
 */
import type { SafekeeperId } from '@neon/kernel';

/** One life of one safekeeper's disk (G3): `incarnation` is the random UUID of its data directory. */
export interface Member {
  readonly safekeeperId: SafekeeperId;
  readonly incarnation: string;
}

export type Membership =
  { readonly kind: 'founding'; readonly generation: number } | SettledMembership | JointMembership;

export interface SettledMembership {
  readonly kind: 'settled';
  readonly generation: number;
  readonly members: readonly Member[];
}

export interface JointMembership {
  readonly kind: 'joint';
  readonly generation: number;
  readonly members: readonly Member[];
  readonly newMembers: readonly Member[];
}

export type ListedMembership = SettledMembership | JointMembership;

/** More would vote slower and no safer. */
export const MEMBERS_MAX = 15;

export const Member = {
  equal: (a: Member, b: Member): boolean => a.safekeeperId === b.safekeeperId && a.incarnation === b.incarnation,
  isIn: (members: readonly Member[], member: Member): boolean => members.some((each) => Member.equal(each, member)),
  /** As a text, for maps. */
  key: ({ safekeeperId, incarnation }: Member): string => `${safekeeperId}/${incarnation}`,
};

export const Membership = {
  founding: (generation: number): Membership => ({ kind: 'founding', generation }),

  /** @throws RangeError when no quorum could be formed of `members`. */
  settled: (generation: number, members: readonly Member[]): SettledMembership => ({
    kind: 'settled',
    generation,
    members: checked(members),
  }),

  /** The step from `from` towards `newMembers`. @throws RangeError */
  joint: (from: SettledMembership, newMembers: readonly Member[]): JointMembership => ({
    kind: 'joint',
    generation: from.generation + 1,
    members: from.members,
    newMembers: checked(newMembers),
  }),

  /** The end of a change: the set that it led to, alone. */
  finish: (joint: JointMembership): SettledMembership => Membership.settled(joint.generation + 1, joint.newMembers),

  /** The end of a change that is given up: the set that it came from. */
  abort: (joint: JointMembership): SettledMembership => Membership.settled(joint.generation + 1, joint.members),

  /** The sets of which a quorum must agree; none is listed in a founding membership. */
  sets: (membership: Membership): readonly (readonly Member[])[] => {
    if (membership.kind === 'founding') return [];
    return membership.kind === 'joint' ? [membership.members, membership.newMembers] : [membership.members];
  },

  /** Everyone in it, each once. */
  everyone: (membership: ListedMembership): readonly Member[] => {
    if (membership.kind === 'settled') return membership.members;
    const joining = membership.newMembers.filter((member) => !Member.isIn(membership.members, member));
    return [...membership.members, ...joining];
  },

  /** Whether `self` may vote; one that is of a founding membership knows that it is. */
  includes: (membership: Membership, self: Member): boolean =>
    membership.kind === 'founding' || Membership.sets(membership).some((members) => Member.isIn(members, self)),

  /** Whether `membership` takes the place of `current`: it is a list, and a later one or the first. */
  supersedes: (membership: Membership, current: Membership): membership is ListedMembership =>
    membership.kind !== 'founding' &&
    (membership.generation > current.generation ||
      (membership.generation === current.generation && current.kind === 'founding')),

  sameMembers: (a: readonly Member[], b: readonly Member[]): boolean =>
    a.length === b.length && a.every((member) => Member.isIn(b, member)),

  equal: (a: Membership, b: Membership): boolean => {
    if (a.generation !== b.generation || a.kind !== b.kind) return false;
    const others = Membership.sets(b);
    return Membership.sets(a).every((members, index) => Membership.sameMembers(members, others[index] ?? []));
  },
};

function checked(members: readonly Member[]): readonly Member[] {
  const ids = new Set(members.map(({ safekeeperId }) => safekeeperId));
  if (members.length === 0 || members.length > MEMBERS_MAX)
    throw new RangeError(`a membership of ${members.length} safekeepers`);
  if (ids.size !== members.length) throw new RangeError('a safekeeper is twice in one membership');
  return members;
}
