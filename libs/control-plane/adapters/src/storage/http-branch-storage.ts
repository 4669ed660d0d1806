/**
 * Branches as timelines on a pageserver and its safekeepers.
 *
 *   S1  A timeline exists on the pageserver first, which knows where its WAL begins; then on the safekeepers, from there; then
 *       the pageserver is told where to stream from. Each step may be repeated.
 *   S2  A majority of safekeepers is enough: one that is away gets the timeline when it is back (`repair`).
 *   S3  A branch of the head includes every commit that was acknowledged before it was asked for: the safekeepers are asked how
 *       far their WAL is committed, and the pageserver has ingested as far before it branches.
 */
import {
  type BranchAddress,
  type BranchPoint,
  BranchStorage,
  type ClusterIdentity,
  type Origin,
  type Placement,
} from '@neon/control-plane-core';
import { Lsn, Refusal, Unavailable } from '@neon/kernel';
import { LsnAt, type TimelineCreate, TimelineDetail } from '@neon/pageserver-contract';
import {
  TimelineDetail as SafekeeperTimeline,
  type TimelineCreateBody as SafekeeperTimelineCreate,
} from '@neon/safekeeper-contract';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagementClient } from './management-client';
import { tenantOf, timelineOf } from './storage-ids';
import type { StorageNodes } from './storage-nodes';

/** Nodes report every two seconds: right after a start of everything, the first reports are worth waiting for. */
const REPORT_TIMEOUT_MS = 5_000;
const REPORT_POLL_MS = 50;
/** How long a branch waits for the pageserver to ingest what was committed. */
const INGEST_TIMEOUT_MS = 10_000;
const INGEST_POLL_MS = 20;
/** A torn record at the end of the WAL is never ingested: after this long without progress there is nothing more to wait for. */
const INGEST_STALL_MS = 1_000;
const STATUS_TIMEOUT_MS = 5_000;
/** A client may read an insert position that its Postgres has not flushed yet: at most wal_buffers ahead. */
const UNFLUSHED_BYTES_MAX = 16 * 1024 * 1024;

export interface StorageOptions {
  readonly safekeeperCount: number;
  /** Safekeepers that were away when a timeline was made. */
  readonly onIncomplete: (address: BranchAddress, safekeeperIds: readonly number[]) => void;
}

export class HttpBranchStorage extends BranchStorage {
  constructor(
    private readonly nodes: StorageNodes,
    private readonly client: ManagementClient,
    private readonly options: StorageOptions,
  ) {
    super();
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
    const results = await Promise.allSettled(
      placement.safekeeperIds.map((id) =>
        ignoringMissing(this.client.send(this.nodes.safekeeper(id), { method: 'DELETE', path })),
      ),
    );
    requireMajority(results, placement.safekeeperIds);
  }

  /** Gives a timeline to the safekeepers that miss it (S2), and tells the pageserver where all of them are. */
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
      const committed = await this.committedLsn(address, placement);
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
    const committed = await this.committedLsn(parent, placement);
    await this.waitForIngest(parent, placement, committed);
    const request = { mode: 'branch', ancestorTimelineId: timelineOf(parentId) } as const;
    switch (point.kind) {
      case 'head':
        return { ...request, ancestorLsn: Lsn.format(committed) };
      case 'lsn':
        return { ...request, ancestorLsn: Lsn.format(Lsn.min(Lsn.parse(point.lsn), committed)) };
      case 'time':
        return { ...request, ancestorTimestamp: point.time };
    }
  }

  /** S3: the highest commit LSN that any of a majority of the safekeepers knows. */
  private async committedLsn(address: BranchAddress, { safekeeperIds }: Placement): Promise<Lsn> {
    const request = { method: 'GET', path: pathOf(address), timeoutMs: STATUS_TIMEOUT_MS } as const;
    const results = await Promise.allSettled(
      safekeeperIds.map((id) => this.client.call(this.nodes.safekeeper(id), request, SafekeeperTimeline)),
    );
    requireMajority(results, safekeeperIds);
    const lsns = results.flatMap((result) =>
      result.status === 'fulfilled' ? [Lsn.parse(result.value.commitLsn), Lsn.parse(result.value.startLsn)] : [],
    );
    return Lsn.max(Lsn.ZERO, ...lsns);
  }

  private async waitForIngest(address: BranchAddress, placement: Placement, target: Lsn): Promise<void> {
    const node = this.nodes.pageserver(placement.pageserverId);
    const deadline = Date.now() + INGEST_TIMEOUT_MS;
    let [reached, movedAt] = [Lsn.ZERO, Date.now()];
    for (;;) {
      const detail = await this.client.call(node, { method: 'GET', path: pathOf(address) }, TimelineDetail);
      if (detail.state === 'stopped')
        throw new Refusal('TimelineStopped', detail.stopReason ?? 'the parent branch does not ingest WAL');
      const lsn = Lsn.parse(detail.lastRecordLsn);
      if (lsn >= target) return;
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

  /** S1, from the safekeepers on. */
  private async connect(
    address: BranchAddress,
    { pageserverId, safekeeperIds }: Placement,
    timeline: TimelineDetail,
  ): Promise<void> {
    const { pgMajor, systemId, walSegmentSize, startLsn } = timeline;
    const path = pathOf(address);
    const body = { pgMajor, systemId, walSegmentSize, startLsn } satisfies SafekeeperTimelineCreate;
    const results = await Promise.allSettled(
      safekeeperIds.map((id) => this.client.send(this.nodes.safekeeper(id), { method: 'PUT', path, body })),
    );
    requireMajority(results, safekeeperIds);
    const missing = safekeeperIds.filter((_, index) => results[index]?.status === 'rejected');
    if (missing.length > 0) this.options.onIncomplete(address, missing);
    const safekeepers = safekeeperIds.map((id) => {
      const { host, replicationPort } = this.nodes.safekeeper(id);
      return { id, host, replicationPort };
    });
    const request = { method: 'PUT', path: `${path}/safekeepers`, body: { safekeepers } } as const;
    await this.client.send(this.nodes.pageserver(pageserverId), request);
  }
}

const clusterOf = ({ systemId, walSegmentSize }: TimelineDetail): ClusterIdentity => ({ systemId, walSegmentSize });

const pathOf = ({ projectId, branchId }: BranchAddress): string =>
  `/v1/tenants/${tenantOf(projectId)}/timelines/${timelineOf(branchId)}`;

async function ignoringMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Refusal && (error.details['status'] === 404 || error.details['status'] === 410)) return null;
    throw error;
  }
}

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
