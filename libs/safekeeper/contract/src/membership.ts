/**
 * Bodies of the management API that change who keeps a timeline; the routes are in `management.ts`.
 *
 * A membership is its generation, the members that vote, and while it is changed (a joint membership) the new members too. A
 * founding membership lists nobody. A member is a safekeeper as one incarnation of its data directory.
 */
import { z } from 'zod';
import { incarnation, lsnText, port } from './json';

/** Generations and terms are counted up by one at a time; this many never pass. */
const COUNT_MAX = 0xffff_ffff;
const MEMBERS_MAX = 15;

export const MemberBody = z.object({ safekeeperId: z.number().int().positive(), incarnation });
export type MemberBody = z.infer<typeof MemberBody>;

const members = z.array(MemberBody).min(1).max(MEMBERS_MAX);
const generation = z.number().int().positive().max(COUNT_MAX);

export const MembershipBody = z.object({ generation, members: members.optional(), newMembers: members.optional() });
export type MembershipBody = z.infer<typeof MembershipBody>;

const term = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

export const MembershipConfigure = z.object({
  /** Which life of the safekeeper is meant. */
  incarnation,
  membership: MembershipBody,
  minTerm: term.default(0),
});
export type MembershipConfigure = z.infer<typeof MembershipConfigure>;
export type MembershipConfigureBody = z.input<typeof MembershipConfigure>;

export const TermRaise = z.object({ incarnation, minTerm: term });
export type TermRaise = z.infer<typeof TermRaise>;

/** What a safekeeper holds, durably. */
export const MembershipPosition = z.object({
  membership: MembershipBody,
  term,
  /** The term of the last record; with `flushLsn` it orders logs. */
  lastLogTerm: term,
  flushLsn: lsnText,
});
export type MembershipPosition = z.infer<typeof MembershipPosition>;

export const TimelinePull = z.object({
  /** Which life of the safekeeper is meant. */
  incarnation,
  /** It must be a member of it. */
  membership: MembershipBody,
  /** Who has the timeline, and where its management API is. */
  donor: MemberBody.extend({ host: z.string().min(1), httpPort: port }),
});
export type TimelinePull = z.infer<typeof TimelinePull>;

export const TimelineRemoval = z.object({
  /** Which life of the safekeeper is meant. */
  incarnation,
  /** A settled one that it is not in. */
  membership: z.object({ generation, members }),
});
export type TimelineRemoval = z.infer<typeof TimelineRemoval>;

/** WAL in one answer of `…/wal`. */
export const WAL_PIECE_SIZE_MAX = 1024 * 1024;
/** WAL that one `…/digest` goes over. */
export const DIGEST_SIZE_MAX = 64 * 1024 * 1024;

/** A query has texts. Without a term, only what is committed is told. */
export const WalRange = z.object({
  from: lsnText,
  to: lsnText,
  term: z.coerce.number().int().nonnegative().optional(),
});
export type WalRange = z.infer<typeof WalRange>;

export const WalDigest = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });
export type WalDigest = z.infer<typeof WalDigest>;
