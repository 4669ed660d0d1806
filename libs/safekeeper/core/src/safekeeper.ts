/**
 * All timelines of one safekeeper.
 *
 *   SK1  Creating a timeline twice with the same parameters is harmless; with others it is refused.
 *   SK2  A deleted timeline leaves a tombstone and cannot come back.                                        (I11)
 *   SK3  A timeline that fails is closed and opened again from its disk after a pause, for as long as it takes.
 *   SK4  A timeline is created only in the incarnation that is meant: one that lost its disk would vote with an empty log
 *        for a leader that lacks what it had confirmed. It stays out.
 *   SK5  A failure is reported once, however often it comes again: next when the reason is another, or when the timeline has made
 *        WAL durable since.
 *   SK6  What the archive has of a deleted timeline goes too, however often that is interrupted.
 *   SK7  A timeline is removed where this safekeeper is no member of it any more, and goes by the membership that says so, durably
 *        (L4). What is left on the disk says in which membership (L5), before the first file goes. When that fails the timeline is
 *        there as it was; what others have of it in the archive stays.
 */
import {
  type AcceptorPosition,
  AcceptorState,
  type AdmissionRequest,
  type DurableAcceptorState,
  type Member,
  Membership,
  type Presence,
  type RemovalRequest,
  type RemovedTimeline,
  type TimelineIdentity,
  admit,
  admitRemoval,
  isAbsentFor,
  isRemovable,
  positionOfRemoved,
} from '@neon/consensus';
import {
  type Lsn,
  Refusal,
  type SafekeeperId,
  type TenantId,
  Term,
  type TimelineId,
  Unavailable,
  unreachable,
} from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker } from '@neon/postgres';
import { sameCreation } from './control-file';
import type { SafekeeperIdentity } from './safekeeper-identity';
import { ReadCache } from './read-cache';
import { Timeline, type TimelineContext } from './timeline';
import type { OpenedTimeline } from './timeline-store';
import { type ArchiveContext, type ArchiveSettings, archiveContext } from './archive/archive-context';
import { timelinePrefix } from './archive/archive-layout';
import { ArchivePurge } from './archive/archive-purge';
import type { UnarchivedWal } from './trim';
import { type WalLimits, UNLIMITED, WalSpace } from './wal-space';

export interface TimelineKey {
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
}

/** The directory of timelines, as a port. */
export abstract class TimelineDirectory {
  abstract list(): Promise<TimelineKey[]>;
  /** Finds the end of the WAL and makes everything up to it durable. @throws Corrupt, Unavailable */
  abstract open(key: TimelineKey, options?: { readonly afterFailure?: boolean }): Promise<OpenedTimeline>;
  abstract create(control: DurableAcceptorState): Promise<OpenedTimeline>;
  /** What is left of one that is not here any more; undefined when nothing is. @throws Corrupt */
  abstract tombstone(key: TimelineKey): Promise<'deleted' | RemovedTimeline | undefined>;
  /** Leaves a tombstone (SK2), and with `purge` a mark until `purged`; harmless when there is no such timeline. */
  abstract delete(key: TimelineKey, options: { readonly purge: boolean }): Promise<void>;
  /** Leaves the tombstone of a removed timeline, durably, and removes a copy of it (SK7); a timeline that is there stays. */
  abstract bury(key: TimelineKey, removed: RemovedTimeline): Promise<void>;
  /** Removes what the tombstone says was removed. @throws Refusal `MembershipSuperseded`: there is one that goes by a later membership */
  abstract clear(key: TimelineKey): Promise<void>;
  abstract exists(key: TimelineKey): Promise<boolean>;
  /** Deleted timelines of which the archive may still have something (SK6). */
  abstract purging(): Promise<TimelineKey[]>;
  abstract purged(key: TimelineKey): Promise<void>;
}

export interface SafekeeperEvents {
  /** A timeline stopped working, or could not be opened (SK5). */
  timelineFailed(key: TimelineKey, error: Error): void;
  timelineOpened(key: TimelineKey, timeline: Timeline): void;
  /** SK4: a timeline was asked for that belongs to another life of this safekeeper; somebody must replace this member. */
  incarnationRefused(key: TimelineKey, incarnation: string): void;
  /** SK7: it was here, and is not any more. */
  timelineRemoved(key: TimelineKey, generation: number): void;
}

/** Waits, then calls: the shell's timer, so that the pause between attempts is a value here. */
export type Later = (delayMs: number, run: () => void) => void;

export interface TimelineCreation {
  readonly identity: TimelineIdentity;
  readonly membershipGeneration: number;
  readonly startLsn: Lsn;
  /** Of the safekeeper that is meant; see the contract. */
  readonly incarnation: string;
}

export interface SafekeeperSettings {
  readonly limits?: WalLimits;
  /** What happens to WAL where there is no archive. */
  readonly unarchived?: UnarchivedWal;
  readonly archive?: ArchiveSettings | undefined;
}

export interface FailedTimeline extends TimelineKey {
  readonly reason: string;
}

const REOPEN_DELAY_MS = 1_000;
const OPEN_CONCURRENCY = 4;
/** Readers that catch up together are rarely further apart; more would only double the system's own cache. */
const READ_CACHE_SIZE_MAX = 32 * 1024 * 1024;

type Entry =
  | { readonly kind: 'open'; readonly timeline: Timeline }
  | { readonly kind: 'failed'; readonly key: TimelineKey; readonly error: Error };

/** What was last reported of a timeline (SK5), and how much WAL was durable when it opened after that. */
interface Report {
  readonly reason: string;
  durableLsn: Lsn | undefined;
}

export const nameOf = ({ tenantId, timelineId }: TimelineKey): string => `${tenantId}/${timelineId}`;

export class Safekeeper {
  private readonly entries = new Map<string, Entry>();
  /** Creations and deletions of one timeline happen one after the other. */
  private readonly turns = new Map<string, Promise<unknown>>();
  private readonly reports = new Map<string, Report>();
  /** Of timelines that failed: what they had begun to put into the archive may still arrive there. */
  private readonly leaving = new Map<string, Promise<void>>();
  private isClosed = false;
  readonly space: WalSpace;
  private readonly context: TimelineContext;
  private readonly archive: ArchiveContext | undefined;

  constructor(
    readonly identity: SafekeeperIdentity,
    private readonly directory: TimelineDirectory,
    private readonly events: SafekeeperEvents,
    private readonly later: Later,
    { limits = UNLIMITED, unarchived = 'kept', archive }: SafekeeperSettings = {},
  ) {
    this.space = new WalSpace(limits);
    this.archive = archive === undefined ? undefined : archiveContext(archive, later);
    const blocks = new ReadCache(READ_CACHE_SIZE_MAX);
    this.context = { space: this.space, blocks, unarchived, archive: this.archive };
  }

  get id(): SafekeeperId {
    return this.identity.id;
  }

  async start(): Promise<void> {
    const keys = await this.directory.list();
    const next = async (): Promise<void> => {
      for (let key = keys.pop(); key !== undefined; key = keys.pop()) await this.open(key);
    };
    await Promise.all(Array.from({ length: OPEN_CONCURRENCY }, next));
    if (this.archive !== undefined) for (const key of await this.directory.purging()) this.purge(key, this.archive);
  }

  /** SK6. */
  private purge(key: TimelineKey, { archive, queue }: ArchiveContext): void {
    const purged = (): Promise<void> => this.directory.purged(key);
    queue.ask(new ArchivePurge({ archive, prefix: timelinePrefix(key), purged }));
  }

  get timelines(): readonly Timeline[] {
    return [...this.entries.values()].flatMap((entry) => (entry.kind === 'open' ? [entry.timeline] : []));
  }

  /** Undefined when it is not here, or does not work. */
  find(key: TimelineKey): Timeline | undefined {
    const entry = this.entries.get(nameOf(key));
    return entry?.kind === 'open' && entry.timeline.failed === undefined ? entry.timeline : undefined;
  }

  get failed(): readonly FailedTimeline[] {
    return [...this.entries.values()].flatMap((entry) =>
      entry.kind === 'failed' ? [{ ...entry.key, reason: entry.error.message }] : [],
    );
  }

  /** @throws Refusal `TimelineUnknown`, Unavailable */
  get(key: TimelineKey): Timeline {
    const entry = this.entries.get(nameOf(key));
    if (entry === undefined) throw new Refusal('TimelineUnknown', `no timeline ${nameOf(key)}`);
    if (entry.kind === 'failed') throw new Unavailable(entry.error.message, { cause: entry.error });
    if (entry.timeline.failed !== undefined) throw new Unavailable(entry.timeline.failed.message);
    return entry.timeline;
  }

  /** SK1, SK4. @throws Refusal `TimelineExists`, `TimelineDeleted`, `WrongIncarnation`, `MalformedRequest` when no record can end at `startLsn` */
  async create({ incarnation, identity, membershipGeneration, startLsn }: TimelineCreation): Promise<Timeline> {
    const { tenantId, timelineId } = identity;
    requireRecordEnd(startLsn, identity);
    const key = { tenantId, timelineId };
    const membership = Membership.founding(membershipGeneration);
    const control = AcceptorState.create({ safekeeperId: this.id, identity, membership, startLsn, term: Term.ZERO });
    return this.inTurn(key, async () => {
      if ((await this.admission(key, { incarnation, membership })) === 'keep') return this.same(key, control);
      return this.adopt(key, await this.directory.create(control));
    });
  }

  /** SK1, SK4. Makes a timeline of a copy of another safekeeper's (`pull.ts`); `adopt` is the moment at which it is one. */
  adoptCopy(key: TimelineKey, request: AdmissionRequest, adopt: () => Promise<void>): Promise<Timeline> {
    return this.inTurn(key, async () => {
      if ((await this.admission(key, request)) === 'make') {
        await adopt();
        await this.open(key);
      }
      return this.get(key);
    });
  }

  /** SK2, SK4. @throws Refusal `TimelineDeleted`, `WrongIncarnation`, `NotAMember` */
  async admission(key: TimelineKey, request: AdmissionRequest): Promise<'make' | 'keep'> {
    const admission = admit(await this.presence(key), request, this.member);
    switch (admission) {
      case 'make':
      case 'keep':
        return admission;
      case 'WrongIncarnation':
        this.events.incarnationRefused(key, request.incarnation);
        throw this.wrongIncarnation(request.incarnation);
      case 'TimelineDeleted':
        throw new Refusal(admission, `timeline ${nameOf(key)} was deleted`);
      case 'NotAMember':
        throw this.notAMember(request.membership);
      default:
        return unreachable(admission);
    }
  }

  /**
   * The timeline, on the very disk that is meant.
   *
   * @throws Refusal `WrongIncarnation`, `TimelineDeleted`, `TimelineUnknown`; Unavailable
   */
  async kept(key: TimelineKey, incarnation: string): Promise<Timeline> {
    if (incarnation !== this.identity.incarnation) throw this.wrongIncarnation(incarnation);
    if ((await this.presence(key)) === 'deleted')
      throw new Refusal('TimelineDeleted', `timeline ${nameOf(key)} was deleted`);
    return this.get(key);
  }

  /**
   * As `Timeline.configure`. `TimelineUnknown`: nothing is here that could have voted in the membership. Where the timeline was removed in
   * that one or a later one, the answer is that one (L6).
   *
   * @throws Refusal `WrongIncarnation`, `TimelineDeleted`, `TimelineUnknown`; Unavailable
   */
  async configure(
    key: TimelineKey,
    { incarnation, membership, minTerm }: AdmissionRequest & { readonly minTerm: Term },
  ): Promise<AcceptorPosition> {
    const presence = await this.presence(key);
    const isOver = typeof presence === 'object' && !isAbsentFor(presence, membership);
    if (isOver && incarnation === this.identity.incarnation) return positionOfRemoved(presence);
    return (await this.kept(key, incarnation)).configure(membership, minTerm);
  }

  private notAMember({ generation }: Membership): Refusal {
    return new Refusal('NotAMember', `safekeeper ${this.id} is not a member in generation ${generation}`);
  }

  private wrongIncarnation(incarnation: string): Refusal {
    return new Refusal(
      'WrongIncarnation',
      `safekeeper ${this.id} has nothing of what its life ${incarnation} confirmed`,
    );
  }

  private get member(): Member {
    return { safekeeperId: this.id, incarnation: this.identity.incarnation };
  }

  async presence(key: TimelineKey): Promise<Presence> {
    if (this.entries.has(nameOf(key))) return 'present';
    return (await this.directory.tombstone(key)) ?? 'absent';
  }

  private same(key: TimelineKey, control: DurableAcceptorState): Timeline {
    const timeline = this.get(key);
    if (sameCreation(control, timeline.state)) return timeline;
    throw new Refusal('TimelineExists', `timeline ${nameOf(key)} exists with other parameters`);
  }

  /**
   * With `archive: 'kept'` other safekeepers go on with the timeline, and only this one has nothing to do with it any more.
   */
  delete(
    key: TimelineKey,
    { archive }: { readonly archive: 'deleted' | 'kept' } = { archive: 'deleted' },
  ): Promise<void> {
    return this.inTurn(key, async () => {
      const entry = this.entries.get(nameOf(key));
      this.forget(key);
      if (entry?.kind === 'open') await entry.timeline.close();
      const purged = archive === 'deleted' ? this.archive : undefined;
      await this.directory.delete(key, { purge: purged !== undefined });
      const left = this.left(key, entry?.kind === 'open' ? entry.timeline : undefined);
      if (purged !== undefined) void left.then(() => this.purge(key, purged));
    });
  }

  /**
   * SK7. Harmless when it was removed or deleted before; one that never was here can then be made for later memberships alone.
   *
   * @throws Refusal `WrongIncarnation`, `MalformedRequest` when it is a member, `MembershipSuperseded`; Unavailable
   */
  remove(key: TimelineKey, request: RemovalRequest): Promise<void> {
    return this.inTurn(key, async () => {
      const admission = admitRemoval(request, this.member);
      if (admission === 'WrongIncarnation') throw this.wrongIncarnation(request.incarnation);
      if (admission === 'IsMember')
        throw new Refusal('MalformedRequest', `safekeeper ${this.id} is a member in that membership`);
      const presence = await this.presence(key);
      if (presence === 'deleted') return;
      if (presence === 'present') return this.leave(key, request);
      if (isAbsentFor(presence, request.membership)) await this.directory.bury(key, request);
      return this.directory.clear(key);
    });
  }

  /** Stays a timeline, which its next membership may make a member again, until the tombstone is there and its files are not. */
  private async leave(key: TimelineKey, request: RemovalRequest): Promise<void> {
    const timeline = this.get(key);
    requireRemovable((await timeline.configure(request.membership, Term.ZERO)).membership, request);
    await timeline.archive?.leave();
    await this.directory.bury(key, request);
    try {
      await timeline.close();
      requireRemovable(timeline.state.membership, request);
      await this.directory.clear(key);
    } finally {
      void this.left(key, timeline);
      // When that cannot be known, opening it tells.
      if (await this.directory.exists(key).catch(() => true)) await this.open(key, { afterFailure: true });
      else this.forget(key);
    }
    this.events.timelineRemoved(key, request.membership.generation);
  }

  private forget(key: TimelineKey): void {
    this.entries.delete(nameOf(key));
    this.reports.delete(nameOf(key));
  }

  /** Resolves when nothing more of the timeline, or of one in its place that failed before, can come into the archive. */
  private left(key: TimelineKey, timeline: Timeline | undefined): Promise<void> {
    const name = nameOf(key);
    const left = Promise.all([this.leaving.get(name), timeline?.archive?.left()]).then(() => {
      if (this.leaving.get(name) === left) this.leaving.delete(name);
    });
    this.leaving.set(name, left);
    return left;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.archive?.queue.stop();
    for (const timeline of this.timelines) timeline.save();
    await Promise.all(this.timelines.map((timeline) => timeline.close()));
    this.entries.clear();
  }

  private adopt(key: TimelineKey, opened: OpenedTimeline): Timeline {
    const { incarnation } = this.identity;
    const timeline = new Timeline({ ...opened, incarnation }, this.context, (error) =>
      this.onFailed(key, timeline, error),
    );
    this.entries.set(nameOf(key), { kind: 'open', timeline });
    const report = this.reports.get(nameOf(key));
    if (report !== undefined) report.durableLsn = opened.flushLsn;
    this.events.timelineOpened(key, timeline);
    return timeline;
  }

  private async open(key: TimelineKey, options: { readonly afterFailure?: boolean } = {}): Promise<void> {
    try {
      this.adopt(key, await this.directory.open(key, options));
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      this.report(key, error);
      this.reopenLater(key);
    }
  }

  /** SK5. */
  private report(key: TimelineKey, error: Error, timeline?: Timeline): void {
    const name = nameOf(key);
    this.entries.set(name, { kind: 'failed', key, error });
    const last = this.reports.get(name);
    const hasWorked =
      last?.durableLsn !== undefined && timeline !== undefined && timeline.state.durableLsn > last.durableLsn;
    if (last?.reason === error.message && !hasWorked) return;
    this.reports.set(name, { reason: error.message, durableLsn: undefined });
    this.events.timelineFailed(key, error);
  }

  /** SK3. */
  private onFailed(key: TimelineKey, timeline: Timeline, error: Error): void {
    this.report(key, error, timeline);
    void this.left(key, timeline);
    // What is left of the failed store is of no use; that closing it fails too says nothing more.
    void timeline.close().then(
      () => this.reopenLater(key),
      () => this.reopenLater(key),
    );
  }

  private reopenLater(key: TimelineKey): void {
    this.later(REOPEN_DELAY_MS, () => {
      void this.inTurn(key, async () => {
        const isFailed = this.entries.get(nameOf(key))?.kind === 'failed';
        if (!this.isClosed && isFailed) await this.open(key, { afterFailure: true });
      });
    });
  }

  private inTurn<T>(key: TimelineKey, run: () => Promise<T>): Promise<T> {
    const name = nameOf(key);
    const turn = (this.turns.get(name) ?? Promise.resolve()).then(run, run);
    const settled = turn
      .catch(() => undefined)
      .finally(() => {
        if (this.turns.get(name) === settled) this.turns.delete(name);
      });
    this.turns.set(name, settled);
    return turn;
  }
}

/** L4. @throws Refusal `MembershipSuperseded` */
function requireRemovable(current: Membership, request: RemovalRequest): void {
  if (isRemovable(current, request)) return;
  throw new Refusal(
    'MembershipSuperseded',
    `it goes by generation ${current.generation}, not ${request.membership.generation}`,
  );
}

/** @throws Refusal `MalformedRequest` */
function requireRecordEnd(startLsn: Lsn, { pgMajor, walSegmentSize }: TimelineIdentity): void {
  try {
    new WalBoundaryTracker({ major: pgMajor as PostgresMajor, startLsn, segmentSize: walSegmentSize });
  } catch (error) {
    throw error instanceof RangeError ? new Refusal('MalformedRequest', error.message) : error;
  }
}
