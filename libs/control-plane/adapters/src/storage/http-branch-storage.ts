/**
 * Branches as timelines on a pageserver and its safekeepers.
 *
 *   S1  A timeline exists on the pageserver first, which knows where its WAL begins; then on the safekeepers, from there; then
 *       the pageserver is told where to stream from. Each step may be repeated.
 *   S2  A majority of safekeepers is enough: one that is away gets the timeline when it is back (`repair`).
 *   S3  A branch of the head includes every commit that was acknowledged before it was asked for: the safekeepers are asked what
 *       they hold (`acknowledged.ts`), and the pageserver has ingested as far before it branches. Safekeepers may hold more than
 *       they know to be committed, because the compute was killed before it told them. When their positions prove it committed,
 *       they are told so, for the pageserver is given committed WAL alone; when not, the branch waits, and is refused as
 *       `Unavailable` in the end, rather than made without what may have been acknowledged.
 *       A branch at an LSN waits for that LSN alone: of a parent that stopped on a later record it is made all the same.
 *   S4  A safekeeper that may have said yes to a timeline is never asked to make it again as another incarnation, or when it does
 *       not have it: it has forgotten its votes and its WAL, and empty it would vote for a leader that lacks what was
 *       acknowledged. It stays out of the timeline, which goes on with the others, and is reported (`onLost`).
 *       What answers at the address of a safekeeper counts as that safekeeper only when it is the disk that is meant.
 *   S5  Who keeps a branch is read from the event store each time: the founders, and from the first change on the listed members,
 *       who are brought to it by a change of membership and by nothing here.
 *   S6  Whoever may hold something of a deleted timeline is asked to delete it until it has; a deletion is done when a majority has.
 */
import {
  type BranchAddress,
  type BranchPoint,
  BranchStorage,
  type ClusterIdentity,
  type Origin,
  type Placement,
  type TimelineMembers as BranchMembers,
  membershipOf,
  safekeeperIdsOf,
} from '@neon/control-plane-core';
import { Lsn, Refusal, Unavailable } from '@neon/kernel';
import { LsnAt, type TimelineCreate, TimelineDetail } from '@neon/pageserver-contract';
import {
  type Chosen as ChosenBody,
  TimelineDetail as SafekeeperTimeline,
  type TimelineCreateBody as SafekeeperTimelineCreate,
} from '@neon/safekeeper-contract';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Chosen, Electorate, type Voter, assess, keyOf } from './acknowledged';
import { type ManagementClient, ignoringMissing } from './management-client';
import { pathOf, timelineOf } from './storage-ids';
import type { StorageNodes } from './storage-nodes';
import type { TimelineDeletions } from './timeline-deletions';
import type { TimelineMember, TimelineMembers } from './timeline-members';

/** Nodes report every two seconds: right after a start of everything, the first reports are worth waiting for. */
const REPORT_TIMEOUT_MS = 5_000;
const REPORT_POLL_MS = 50;
/** How long a branch waits for the pageserver to ingest what was committed. */
const INGEST_TIMEOUT_MS = 10_000;
const INGEST_POLL_MS = 20;
/** A torn record at the end of the WAL is never ingested: after this long without progress there is nothing more to wait for. */
const INGEST_STALL_MS = 5_000;
const STATUS_TIMEOUT_MS = 5_000;
/** How long a branch waits for it to be known what is committed: several heartbeats of a writer. */
const COMMIT_TIMEOUT_MS = 3_000;
const COMMIT_POLL_MS = 50;
/** A client may read an insert position that its Postgres has not flushed yet: at most wal_buffers ahead. */
const UNFLUSHED_BYTES_MAX = 16 * 1024 * 1024;

type SafekeeperTimelineCreation = Omit<SafekeeperTimelineCreate, 'incarnation'>;

export interface StorageOptions {
  readonly safekeeperCount: number;
  /** S5; as of now. */
  readonly membersOf: (address: BranchAddress) => Promise<BranchMembers>;
  /** S6. */
  readonly deletions: Pick<TimelineDeletions, 'owe' | 'settle'>;
  /** Safekeepers that were away when a timeline was made. */
  readonly onIncomplete: (address: BranchAddress, safekeeperIds: readonly number[]) => void;
  /** S4; told once per branch and safekeeper. */
  readonly onLost: (address: BranchAddress, safekeeperId: number, reason: string) => void;
}

/** S4: for the timeline this safekeeper is as one that is away, and will not come back. */
class SafekeeperLost extends Unavailable {}

export class HttpBranchStorage extends BranchStorage {
  /** By branch id. */
  private readonly lost = new Map<string, Set<number>>();

  constructor(
    private readonly nodes: StorageNodes,
    private readonly members: TimelineMembers,
    private readonly client: ManagementClient,
    private readonly options: StorageOptions,
  ) {
    super();
  }

  /** Safekeepers that lost timelines which they had, each counted once for each timeline. */
  get lostCount(): number {
    return [...this.lost.values()].reduce((count, ids) => count + ids.size, 0);
  }

  override async place(): Promise<Placement> {
    for (const deadline = Date.now() + REPORT_TIMEOUT_MS; ; await sleep(REPORT_POLL_MS)) {
      try {
        const safekeeperIds = [...this.nodes.chooseSafekeepers(this.options.safekeeperCount)];
        return { pageserverId: this.nodes.choosePageserver(), safekeeperIds };
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
  }

  override async createRoot(
    address: BranchAddress,
    { placement, pgVersion }: { placement: Placement; pgVersion: number },
  ): Promise<ClusterIdentity> {
    const timeline = await this.putTimeline(address, placement, { mode: 'bootstrap', pgMajor: pgVersion });
    await this.connect(address, placement, timeline);
    return clusterOf(timeline);
  }

  override async createBranch(
    address: BranchAddress,
    { placement, origin }: { placement: Placement; origin: Origin },
  ): Promise<{ parentLsn: string; cluster: ClusterIdentity }> {
    // A branch that exists was made by an earlier attempt, at the point that was right then.
    const timeline =
      (await this.findTimeline(address, placement)) ??
      (await this.putTimeline(address, placement, await this.branchRequest(address, placement, origin)));
    await this.connect(address, placement, timeline);
    return { parentLsn: timeline.ancestorLsn ?? timeline.startLsn, cluster: clusterOf(timeline) };
  }

  override async deleteBranch(address: BranchAddress, placement: Placement): Promise<void> {
    const path = pathOf(address);
    await ignoringMissing(this.client.send(this.nodes.pageserver(placement.pageserverId), { method: 'DELETE', path }));
    const { deletions, membersOf } = this.options;
    const members = await membersOf(address);
    const ids = safekeeperIdsOf(members);
    const former = new Set(members.former.map(({ safekeeperId }) => safekeeperId).filter((id) => !ids.includes(id)));
    await deletions.owe(address, [...ids, ...former]);
    const settle = (safekeeperId: number): Promise<void> => deletions.settle({ address, safekeeperId });
    // Former members may be gone for good: nobody waits for them.
    void Promise.allSettled([...former].map(settle));
    requireMajority(await Promise.allSettled(ids.map(settle)), ids);
    await this.members.forget(address.branchId);
    this.lost.delete(address.branchId);
  }

  /** Gives a timeline to founders that miss it (S2), and tells the pageserver where all of them are. */
  async repair(address: BranchAddress, placement: Placement): Promise<void> {
    const timeline = await this.findTimeline(address, placement);
    if (timeline !== null) await this.connect(address, placement, timeline);
  }

  override async checkPoint(address: BranchAddress, placement: Placement, point: BranchPoint): Promise<void> {
    const node = this.nodes.pageserver(placement.pageserverId);
    const path = pathOf(address);
    if (point.kind === 'time') {
      const timestamp = encodeURIComponent(point.time);
      const request = { method: 'GET', path: `${path}/lsn-at?timestamp=${timestamp}` } as const;
      const { kind } = await this.client.call(node, request, LsnAt);
      if (kind === 'past') throw new Refusal('PointOutOfHistory', 'the timestamp is before the history of the branch');
    }
    if (point.kind === 'lsn') {
      const { startLsn } = await this.client.call(node, { method: 'GET', path }, TimelineDetail);
      const committed = await this.committedLsn(address);
      const lsn = Lsn.parse(point.lsn);
      if (lsn > Lsn.advance(committed, UNFLUSHED_BYTES_MAX))
        throw new Refusal('PointOutOfHistory', `the LSN ${point.lsn} is after the end of the branch`);
      if (lsn < Lsn.parse(startLsn))
        throw new Refusal('PointOutOfHistory', `the LSN ${point.lsn} is before the history of the branch`);
    }
  }

  private async branchRequest(
    { projectId }: BranchAddress,
    placement: Placement,
    { parentId, point }: Origin,
  ): Promise<TimelineCreate> {
    const parent = { projectId, branchId: parentId };
    const committed = await this.committedLsn(parent);
    const target = point.kind === 'lsn' ? Lsn.min(Lsn.parse(point.lsn), committed) : committed;
    await this.waitForIngest(parent, placement, target);
    const request = { mode: 'branch', ancestorTimelineId: timelineOf(parentId) } as const;
    switch (point.kind) {
      case 'head':
        return { ...request, ancestorLsn: Lsn.format(committed) };
      case 'lsn':
        return { ...request, ancestorLsn: Lsn.format(target) };
      case 'time':
        return { ...request, ancestorTimestamp: point.time };
    }
  }

  /** S3: an LSN that includes every commit acknowledged until now, and is committed. */
  private async committedLsn(address: BranchAddress): Promise<Lsn> {
    const members = await this.options.membersOf(address);
    const founders = await this.members.of(address.branchId);
    const electorate = Electorate.of(membershipOf(members), members.founderIds);
    let answering = await this.positions(address, electorate, founders);
    const target = assess(answering, electorate).acknowledgedMaxLsn;
    for (const deadline = Date.now() + COMMIT_TIMEOUT_MS; ; await sleep(COMMIT_POLL_MS)) {
      const { commitLsn, chosen } = assess(answering, electorate);
      if (commitLsn >= target) return commitLsn;
      // A writer says so itself with its next message.
      const hasWriter = [...answering.values()].some(({ writerConnected }) => writerConnected);
      if (!hasWriter && chosen !== null && chosen.lsn >= target) await this.tellChosen(address, electorate, chosen);
      else if (Date.now() > deadline)
        throw new Unavailable(
          `WAL of branch ${address.branchId} from ${Lsn.format(commitLsn)} to ${Lsn.format(target)} may be committed: ` +
            'this is known when another safekeeper answers, or a compute of the branch starts',
        );
      answering = await this.positions(address, electorate, founders);
    }
  }

  private async positions(
    address: BranchAddress,
    electorate: Electorate,
    founders: readonly TimelineMember[],
  ): Promise<ReadonlyMap<string, SafekeeperTimeline>> {
    const voters = Electorate.everyone(electorate);
    const results = await Promise.allSettled(voters.map((voter) => this.position(address, voter, founders)));
    const [former = []] = electorate.sets;
    requireMajority(
      former.flatMap((voter) => results[voters.findIndex((each) => keyOf(each) === keyOf(voter))] ?? []),
      former.map(({ safekeeperId }) => safekeeperId),
    );
    return new Map(
      results.flatMap((result, index) => {
        const voter = voters[index];
        return result.status === 'fulfilled' && voter !== undefined ? [[keyOf(voter), result.value] as const] : [];
      }),
    );
  }

  /** S4: of a founder the disk is known by what was written down when it was asked to keep the branch. */
  private async position(
    address: BranchAddress,
    { safekeeperId: id, incarnation }: Voter,
    founders: readonly TimelineMember[],
  ): Promise<SafekeeperTimeline> {
    const node = this.nodes.safekeeper(id);
    const founder = founders.find(({ safekeeperId }) => safekeeperId === id);
    const request = { method: 'GET', path: pathOf(address), timeoutMs: STATUS_TIMEOUT_MS } as const;
    const detail = await ignoringMissing(this.client.call(node, request, SafekeeperTimeline));
    if (detail?.incarnation !== (incarnation ?? founder?.incarnation ?? node.incarnation))
      throw new Unavailable(`safekeeper ${id} does not have the branch`);
    return detail;
  }

  private async tellChosen(address: BranchAddress, electorate: Electorate, chosen: Chosen): Promise<void> {
    const body = { term: chosen.term, lsn: Lsn.format(chosen.lsn) } satisfies ChosenBody;
    const request = { method: 'POST', path: `${pathOf(address)}/chosen`, body, timeoutMs: STATUS_TIMEOUT_MS } as const;
    const results = await Promise.allSettled(
      Electorate.everyone(electorate).map(({ safekeeperId }) =>
        this.client.send(this.nodes.safekeeper(safekeeperId), request),
      ),
    );
    const failures = results.filter((result) => result.status === 'rejected');
    const [failure] = failures;
    if (failure !== undefined && failures.length === results.length) throw failure.reason;
  }

  private async waitForIngest(address: BranchAddress, placement: Placement, target: Lsn): Promise<void> {
    const node = this.nodes.pageserver(placement.pageserverId);
    const deadline = Date.now() + INGEST_TIMEOUT_MS;
    let [reached, movedAt] = [Lsn.ZERO, Date.now()];
    for (;;) {
      const detail = await this.client.call(node, { method: 'GET', path: pathOf(address) }, TimelineDetail);
      const lsn = Lsn.parse(detail.lastRecordLsn);
      if (lsn >= target) return;
      if (detail.state === 'stopped')
        throw new Refusal('TimelineStopped', detail.stopReason ?? 'the parent branch does not ingest WAL');
      if (lsn > reached) [reached, movedAt] = [lsn, Date.now()];
      if (reached > Lsn.ZERO && Date.now() - movedAt > INGEST_STALL_MS) return;
      if (Date.now() > deadline) throw new Unavailable(`the pageserver is behind: ${detail.lastRecordLsn}`);
      await sleep(INGEST_POLL_MS);
    }
  }

  private async findTimeline(address: BranchAddress, { pageserverId }: Placement): Promise<TimelineDetail | null> {
    const request = { method: 'GET', path: pathOf(address) } as const;
    return ignoringMissing(this.client.call(this.nodes.pageserver(pageserverId), request, TimelineDetail));
  }

  private putTimeline(
    address: BranchAddress,
    { pageserverId }: Placement,
    body: TimelineCreate,
  ): Promise<TimelineDetail> {
    const request = { method: 'PUT', path: pathOf(address), body } as const;
    return this.client.call(this.nodes.pageserver(pageserverId), request, TimelineDetail);
  }

  /** S4 */
  private async join(address: BranchAddress, id: number, creation: SafekeeperTimelineCreation): Promise<void> {
    const { branchId } = address;
    const node = this.nodes.safekeeper(id);
    const path = pathOf(address);
    const member = await this.members.find(branchId, id);
    if (member?.confirmed === true) {
      if (node.incarnation !== member.incarnation)
        throw this.lose(address, id, 'its data directory is another one than it was');
      const detail = await ignoringMissing(this.client.call(node, { method: 'GET', path }, SafekeeperTimeline));
      if (detail === null) throw this.lose(address, id, 'it does not have the timeline any more');
      if (detail.incarnation !== member.incarnation)
        throw new Unavailable(`another safekeeper answers at the address of safekeeper ${id}`);
      return;
    }
    const incarnation = await this.members.claim(branchId, id, node.incarnation);
    const body: SafekeeperTimelineCreate = { ...creation, incarnation };
    try {
      await this.client.send(node, { method: 'PUT', path, body });
    } catch (error) {
      if (error instanceof Refusal && error.code === 'WrongIncarnation')
        throw this.lose(address, id, 'it was asked before its data directory became another one');
      throw error;
    }
    await this.members.confirm(branchId, id);
  }

  private lose(address: BranchAddress, id: number, reason: string): SafekeeperLost {
    const known = this.lost.get(address.branchId) ?? new Set();
    this.lost.set(address.branchId, known);
    if (!known.has(id)) this.options.onLost(address, id, reason);
    known.add(id);
    return new SafekeeperLost(`safekeeper ${id} is out of branch ${address.branchId}: ${reason}`);
  }

  /** S1, from the safekeepers on. Listed members are brought to it otherwise (S5). */
  private async connect(address: BranchAddress, placement: Placement, timeline: TimelineDetail): Promise<void> {
    const { pgMajor, systemId, walSegmentSize, startLsn } = timeline;
    const creation = { pgMajor, systemId, walSegmentSize, startLsn };
    const members = await this.options.membersOf(address);
    const ids = safekeeperIdsOf(members);
    if (members.membership === null) {
      const results = await Promise.allSettled(ids.map((id) => this.join(address, id, creation)));
      requireMajority(results, ids);
      const missing = ids.filter((_, index) => isAway(results[index]));
      if (missing.length > 0) this.options.onIncomplete(address, missing);
    }
    await this.tellPageserver(address, placement, ids);
  }

  /** Where the branch's WAL is. */
  async tellPageserver(
    address: BranchAddress,
    { pageserverId }: Placement,
    safekeeperIds: readonly number[],
  ): Promise<void> {
    const safekeepers = safekeeperIds.map((id) => {
      const { host, replicationPort } = this.nodes.safekeeper(id);
      return { id, host, replicationPort };
    });
    const request = { method: 'PUT', path: `${pathOf(address)}/safekeepers`, body: { safekeepers } } as const;
    await this.client.send(this.nodes.pageserver(pageserverId), request);
  }
}

const isAway = (result: PromiseSettledResult<unknown> | undefined): boolean =>
  result?.status === 'rejected' && !(result.reason instanceof SafekeeperLost);

const clusterOf = ({ systemId, walSegmentSize }: TimelineDetail): ClusterIdentity => ({ systemId, walSegmentSize });

/** @throws the refusal of any, for a refusal says more than an absence; Unavailable when fewer than a majority succeeded */
function requireMajority(results: readonly PromiseSettledResult<unknown>[], ids: readonly number[]): void {
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const refusal = failures.find((failure) => failure instanceof Refusal);
  if (refusal !== undefined) throw refusal;
  if (ids.length - failures.length > ids.length / 2) return;
  const [first] = failures;
  throw new Unavailable(
    `${ids.length - failures.length} of ${ids.length} safekeepers answer: ${first instanceof Error ? first.message : String(first)}`,
    { cause: first },
  );
}
