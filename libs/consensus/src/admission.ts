/**
 * Whether a safekeeper makes a timeline that it is asked to make: the life of a timeline on one disk is absent, then
 * present, then deleted, and never goes back.
 *
 *   L1  A timeline that was deleted is not made again, whoever asks, however late. Its sessions are refused with
 *       `TimelineDeleted`.
 *   L2  It is made on the very disk that is meant, and only for a membership that it is a member of: a disk that replaces
 *       another has none of its votes, and is another member.                                                       (G3)
 *   L3  Asking twice is harmless: what is there is kept as it is, since it may have voted.
 */
import { type Member, Membership } from './membership';

export type Presence = 'absent' | 'present' | 'deleted';

export type Admission = 'make' | 'keep' | 'TimelineDeleted' | 'WrongIncarnation' | 'NotAMember';

export interface AdmissionRequest {
  /** Of the safekeeper that is meant. */
  readonly incarnation: string;
  readonly membership: Membership;
}

export function admit(presence: Presence, request: AdmissionRequest, self: Member): Admission {
  if (request.incarnation !== self.incarnation) return 'WrongIncarnation';
  if (presence === 'deleted') return 'TimelineDeleted';
  if (presence === 'present') return 'keep';
  return Membership.includes(request.membership, self) ? 'make' : 'NotAMember';
}
