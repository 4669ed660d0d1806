/**
 * The life of a timeline on one disk, and whether a safekeeper makes a timeline that it is asked to make: absent, then present;
 * removed when it is no member any more, and perhaps present again as a later one; deleted at the end.
 *
 *   L1  A timeline that was deleted is not made again, whoever asks, however late. Its sessions are refused with
 *       `TimelineDeleted`.
 *   L2  It is made on the very disk that is meant, and only for a membership that it is a member of: a disk that replaces
 *       another has none of its votes, and is another member.                                                       (G3)
 *   L3  Asking twice is harmless: what is there is kept as it is, since it may have voted.
 *   L4  It is removed only by an acceptor that goes, durably, by the settled membership that is named, in which it is not. That this
 *       one exists says that a quorum of its members holds all that was committed before (M3, M4): nothing depends on this disk.
 *   L5  What was removed leaves behind in which membership. Up to that generation this disk votes and confirms no more, and no
 *       request makes the timeline there again. In every later one it has never voted: for those it is as good as absent.
 *   L6  A proposer of an earlier membership, and whoever drives a change of that one or an earlier one, is told the one that is left
 *       behind: all that they know of may have been removed. With it go no log, and no term.
 */
import { Lsn, Term } from '@neon/kernel';
import type { AcceptorPosition } from './acceptor-state';
import { type Member, Membership, type SettledMembership } from './membership';

/** What is left of a timeline where it was removed. */
export interface RemovedTimeline {
  readonly membership: SettledMembership;
}

export type Presence = 'absent' | 'present' | 'deleted' | RemovedTimeline;

export type Admission = 'make' | 'keep' | 'TimelineDeleted' | 'WrongIncarnation' | 'NotAMember';

export interface AdmissionRequest {
  /** Of the safekeeper that is meant. */
  readonly incarnation: string;
  readonly membership: Membership;
}

export interface RemovalRequest {
  /** Of the safekeeper that is meant. */
  readonly incarnation: string;
  readonly membership: SettledMembership;
}

export function admit(presence: Presence, request: AdmissionRequest, self: Member): Admission {
  if (request.incarnation !== self.incarnation) return 'WrongIncarnation';
  if (presence === 'deleted') return 'TimelineDeleted';
  if (presence === 'present') return 'keep';
  if (!isAbsentFor(presence, request.membership)) return 'NotAMember';
  return Membership.includes(request.membership, self) ? 'make' : 'NotAMember';
}

/** L5: whether nothing is here that could have voted in `membership`. */
export const isAbsentFor = (presence: Presence, membership: Membership): boolean =>
  presence === 'absent' || (typeof presence === 'object' && isLater(membership, presence));

const isLater = (membership: Membership, removed: RemovedTimeline): boolean =>
  membership.kind !== 'founding' && membership.generation > removed.membership.generation;

/** L4: `ask`: the acceptor, if there is one, may be asked to go by the membership; then see `isRemovable`. */
export function admitRemoval(
  { incarnation, membership }: RemovalRequest,
  self: Member,
): 'ask' | 'WrongIncarnation' | 'IsMember' {
  if (incarnation !== self.incarnation) return 'WrongIncarnation';
  return Membership.includes(membership, self) ? 'IsMember' : 'ask';
}

/** L4: of the membership that the acceptor goes by once it was asked. In a later one it may be a member again. */
export const isRemovable = (current: Membership, { membership }: RemovalRequest): boolean =>
  Membership.equal(current, membership);

/** L6: to one who would have it take on a membership that is over. It is of another generation than any in which this disk counts. */
export const positionOfRemoved = ({ membership }: RemovedTimeline): AcceptorPosition => ({
  membership,
  term: Term.ZERO,
  lastLogTerm: Term.ZERO,
  flushLsn: Lsn.ZERO,
});

/** L6. Undefined when the proposer knows it, or a later one. */
export const membershipToTell = (presence: Presence, asked: Membership): SettledMembership | undefined =>
  typeof presence === 'object' && Membership.supersedes(presence.membership, asked) ? presence.membership : undefined;
