/**
 * The management API of a safekeeper: JSON over HTTP, errors `{ code, message }`. Token scope `management`; for the routes that
 * only tell what a timeline holds (marked *), also `storage`, with which safekeepers ask each other.
 *
 *   GET    /v1/status                                     → SafekeeperStatus
 *   GET    /v1/tenants/:tenantId/timelines                → { timelines: TimelineDetail[] }
 *   PUT    /v1/tenants/:tenantId/timelines/:timelineId    TimelineCreate → TimelineDetail
 *          idempotent: same body, same answer; another body: 409 `TimelineExists`; deleted before: 410 `TimelineDeleted`;
 *          the safekeeper is another incarnation than `incarnation`: 409 `WrongIncarnation`
 * * GET    /v1/tenants/:tenantId/timelines/:timelineId    → TimelineDetail; 404 `TimelineUnknown`; 503 `StorageUnavailable`
 *   POST   /v1/tenants/:tenantId/timelines/:timelineId/chosen    Chosen → TimelineDetail
 *          tells that a quorum holds the log of a term up to an LSN, each having accepted it in that term: it is committed.
 *          Without effect where the term is another
 *   DELETE /v1/tenants/:tenantId/timelines/:timelineId    → 204, also when it was deleted before or never existed; what the archive
 *          has of it goes too, unless `?archive=kept`: for a safekeeper that leaves a timeline which lives on elsewhere
 *   PUT    …/:timelineId/membership    MembershipConfigure → MembershipPosition
 *          takes on the membership if it is higher than its own, and in it a term of `minTerm` at least; the answer is what holds
 *          then, durably: the caller looks at its generation. 409 `WrongIncarnation`; 404 `TimelineUnknown` says that this very
 *          disk never had the timeline, or that it was removed there in an earlier membership: it has voted in none that is not
 *          earlier. Where it was removed in this one or a later one, the answer has that one, term 0 and LSN 0/0. 410
 *          `TimelineDeleted`; 400 `MalformedRequest` for what is no membership
 *   POST   …/:timelineId/term          TermRaise → MembershipPosition
 *          a term of `minTerm` at least, in whatever membership it is: a leader of an earlier term is deposed by this member
 *   POST   …/:timelineId/pull          TimelinePull → TimelineDetail
 *          copies the timeline from the donor, unless it is here, and begins as a member. An answer may take as long as the copy:
 *          who gives up waiting asks again, and waits for the same copy. 409 `WrongIncarnation`, `NotAMember`; 410 `TimelineDeleted`;
 *          409 `DonorMismatch`: what answers as the donor is another disk; 503 when the donor or the copy failed: what was
 *          copied and compared by then stays, and is not copied again
 *   POST   …/:timelineId/removal       TimelineRemoval → 204, when nothing of the timeline is left here but a tombstone
 *          for a safekeeper that is no member any more: it takes the membership on, and removes the timeline. It is not made there
 *          again but for a later membership. Harmless when it was removed or deleted, or never was here. 409 `WrongIncarnation`:
 *          nothing of it is on this disk; 409 `MembershipSuperseded`: it goes by a later membership; 400 `MalformedRequest` when it is
 *          a member; 503 when it is being copied there, or does not work: what it goes by is not known then
 * * GET    …/:timelineId/wal?from&to&term    → the bytes, at most WAL_PIECE_SIZE_MAX: the range, or its beginning
 * * GET    …/:timelineId/digest?from&to&term → WalDigest of exactly the range, at most DIGEST_SIZE_MAX
 *          both within what is durable, for as long as the safekeeper's term is `term` (503 when it passes); without a term,
 *          within what is committed; 410 `WalTrimmed`;
 *          400 `RangeNotHere` when the range is empty, too long, begins before the timeline, or ends behind the WAL that is here
 *   GET    /healthz, GET /metrics                         without a token
 *
 * An incarnation is the life of a data directory: a safekeeper whose disk was lost or replaced comes back as another one.
 * It has forgotten its votes and its WAL, so a timeline that it once had must not be made there again: empty, it would
 * vote for a leader that lacks what it had confirmed. Hence a caller of PUT
 *
 *   1. records durably that it asks this safekeeper, of this incarnation, before it asks for the first time;
 *   2. always sends the incarnation that it recorded, never one it heard of later.
 *
 * A safekeeper without the timeline takes no part in its elections, and stays out.
 *
 * WAL does not travel here: `docs/protocols/safekeeper.md`.
 */
import { z } from 'zod';
import { hexId, incarnation, lsnText, systemIdText } from './json';
import { MembershipBody } from './membership';

export const MEMBERSHIP_GENERATION_FIRST = 1;

const WAL_SEGMENT_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map((megabytes) => megabytes * 1024 * 1024);

export const TimelineCreate = z.object({
  pgMajor: z.number().int().min(14).max(18),
  systemId: systemIdText,
  walSegmentSize: z.number().refine((size) => WAL_SEGMENT_SIZES.includes(size), 'a power of two from 1 MiB to 1 GiB'),
  /** Where the timeline's own WAL begins: the end of a record. */
  startLsn: lsnText,
  membershipGeneration: z.number().int().positive().default(MEMBERSHIP_GENERATION_FIRST),
  /** Which life of the safekeeper is meant, as the caller recorded it before it asked for the first time. */
  incarnation,
});
export type TimelineCreate = z.infer<typeof TimelineCreate>;
/** What a caller sends: defaults may be left out. */
export type TimelineCreateBody = z.input<typeof TimelineCreate>;

export const TimelineDetail = z.object({
  tenantId: hexId,
  timelineId: hexId,
  pgMajor: z.number().int(),
  systemId: systemIdText,
  walSegmentSize: z.number().int(),
  membershipGeneration: z.number().int(),
  membership: MembershipBody,
  /** Of the data directory that it is in. */
  incarnation,
  term: z.number().int(),
  termHistory: z.array(z.object({ term: z.number().int(), startLsn: lsnText })),
  startLsn: lsnText,
  flushLsn: lsnText,
  commitLsn: lsnText,
  /** Every safekeeper of the timeline holds the WAL below it. */
  truncateLsn: lsnText,
  /** WAL below it was removed here, because nobody needs it (`docs/protocols/safekeeper.md`). */
  trimmedLsn: lsnText,
  /** Up to where the pageserver needs no WAL again, as far as this safekeeper knows; `0/0` when it has not heard. */
  remoteConsistentLsn: lsnText,
  /** WAL below it was seen in the archive, as far as it was here when the safekeeper started; null without an archive. */
  archivedLsn: lsnText.nullable(),
  /** Its WAL is in the archive alone, and comes back with its first use. */
  offloaded: z.boolean(),
  /** Who keeps more WAL from being removed. */
  trimHeldBy: z.enum(['commit', 'peer', 'pageserver', 'archive', 'reader', 'setting']),
  /** WAL that is kept here. */
  walBytes: z.number().int(),
  /** Percent of the tightest limit; at 100 no WAL is taken. */
  fullness: z.number().int(),
  writerConnected: z.boolean(),
  readers: z.array(z.object({ name: z.string(), sentLsn: lsnText, flushLsn: lsnText, applyLsn: lsnText })),
});
export type TimelineDetail = z.infer<typeof TimelineDetail>;

/** The query of DELETE. */
export const TimelineDelete = z.object({ archive: z.enum(['deleted', 'kept']).default('deleted') });
export type TimelineDelete = z.infer<typeof TimelineDelete>;

export const Chosen = z.object({ term: z.number().int().nonnegative(), lsn: lsnText });
export type Chosen = z.infer<typeof Chosen>;

export const TimelineList = z.object({ timelines: z.array(TimelineDetail) });
export type TimelineList = z.infer<typeof TimelineList>;

export const SafekeeperStatus = z.object({
  id: z.number().int().positive(),
  /** Of the data directory: another one after its loss. */
  incarnation,
  version: z.string(),
  /** WAL of all timelines. */
  walBytes: z.number().int(),
  /** Percent of the tightest limit, of the disk's room included; at 100 no WAL is taken. */
  fullness: z.number().int(),
  disk: z.object({ freeBytes: z.number(), sizeBytes: z.number() }),
  /** Timelines that acknowledge nothing, and why; each is tried again every second. */
  failed: z.array(z.object({ tenantId: hexId, timelineId: hexId, reason: z.string() })),
});
export type SafekeeperStatus = z.infer<typeof SafekeeperStatus>;
