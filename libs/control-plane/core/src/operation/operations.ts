/**
 * Carries operations out.
 *
 *   G1  All there is to know about an operation is in the event store: whatever process runs next continues it.
 *   G2  An operation acts on the world first and records the outcome after, with the start of its successor, in one append. The
 *       acts can be repeated (`BranchStorage`, `ComputeHosts`), so a kill between the two only means doing it again.
 *   G3  A failed attempt is recorded; `afterFailure` says whether and when there is another. When there is none, the rest of the
 *       chain is cancelled and what the chain had promised is withdrawn. An outcome that cannot be recorded is a failed attempt.
 */
import { type CommandHandler, type Unit } from '@neon/event-sourcing';
import { type Clock, Corrupt, type Random, Refusal, Unavailable, unreachable } from '@neon/kernel';
import type { BranchStorage } from '../branch/branch-storage';
import { type Drops, branchDecider, liveBranch } from '../branch/branch';
import type { ComputeHosts, ComputeOrder } from '../endpoint/compute-hosts';
import { type Endpoint, endpointDecider } from '../endpoint/endpoint';
import type { HostRegistry } from '../host/host-registry';
import { isLost, pickHost } from '../host/hosts';
import { readTimelineMembers } from '../membership/read-timeline-members';
import { timelineMembersDecider } from '../membership/timeline-members';
import { runnable } from '../project/chain';
import { type Project, endpointsOf, projectDecider } from '../project/project';
import type { Placement } from '../project/settings';
import { type Operation, type OperationError, hasEnded, operationDecider } from './operation';
import { startRunnable } from './open-chain';
import { afterFailure } from './retry';

export interface World {
  readonly storage: BranchStorage;
  readonly hosts: ComputeHosts;
  readonly registry: HostRegistry;
  /** What is deleted is refused for a reason that does not pass, and nobody else would notice. Told once per reason. */
  readonly onStuck: (operation: Operation, error: OperationError) => void;
}

/** What an operation did, still to be recorded; a refusal fails it all the same, for good. */
type Outcome = (unit: Unit) => Promise<Refusal | void>;

export const SERVICE = { actor: 'control-plane' };

export class Operations {
  constructor(
    private readonly handler: CommandHandler,
    private readonly world: World,
    private readonly ambient: { readonly clock: Clock; readonly random: Random },
  ) {}

  /** The operations of a project that may run now, or later when they wait for another attempt. */
  async runnable(projectId: string): Promise<readonly Operation[]> {
    const project = await this.handler.state(projectDecider, projectId);
    const found: Operation[] = [];
    for (const { operationId } of runnable(project?.chains ?? [])) {
      const operation = await this.handler.state(operationDecider, operationId);
      if (operation === null) throw new Corrupt(`operation ${operationId} of project ${projectId} has no events`);
      found.push(operation);
    }
    return found;
  }

  async hasEnded(operationId: string): Promise<boolean> {
    const operation = await this.handler.state(operationDecider, operationId);
    return operation === null || hasEnded(operation);
  }

  /**
   * One attempt at one operation.
   *
   * @returns when to try again, in milliseconds from now, or null when it has ended
   */
  async attempt(operation: Operation): Promise<number | null> {
    const waitMs = (operation.retryAt ?? 0) - this.ambient.clock.now();
    if (waitMs > 0) return waitMs;
    let outcome: Outcome;
    try {
      outcome = await this.perform(operation);
    } catch (error) {
      return this.recordFailure(operation, error);
    }
    try {
      await this.handler.execute(SERVICE, async (unit) => {
        const refusal = await outcome(unit);
        if (refusal instanceof Refusal) await this.giveUp(unit, operation, refusal);
        else await this.close(unit, operation);
      });
      return null;
    } catch (error) {
      // The world has moved on: what was done cannot be recorded, however often it is done again.
      if (error instanceof Refusal) return this.recordFailure(operation, error);
      throw error;
    }
  }

  private async perform(operation: Operation): Promise<Outcome> {
    switch (operation.action) {
      case 'create_timeline':
        return this.createRoot(operation);
      case 'create_branch':
        return this.createBranch(operation);
      case 'start_compute':
        return this.startCompute(await this.endpointOf(operation));
      case 'suspend_compute':
        return this.suspendCompute(await this.endpointOf(operation));
      case 'apply_config':
        return this.applyConfig(await this.endpointOf(operation));
      case 'delete_timeline':
        return this.deleteBranch(operation);
      default:
        return unreachable(operation.action);
    }
  }

  private async createRoot({ projectId, branchId }: Operation): Promise<Outcome> {
    const project = await this.projectOf(projectId);
    const placement = project.placement ?? (await this.place(projectId));
    const { pgVersion } = project;
    await this.found(projectId, branchId);
    const cluster = await this.world.storage.createRoot({ projectId, branchId }, { placement, pgVersion });
    return async (unit) => {
      await unit.decide(branchDecider, branchId, { type: 'MarkBranchReady', parentLsn: null, cluster });
    };
  }

  /** Recorded before anything is created there, so that a repeated attempt goes to the same place. */
  private async place(projectId: string): Promise<Placement> {
    const placement = await this.world.storage.place();
    const { value: project } = await this.handler.execute(SERVICE, (unit) =>
      unit.decide(projectDecider, projectId, { type: 'PlaceProject', placement }),
    );
    return project?.placement ?? placement;
  }

  /** Y1. */
  private async found(projectId: string, branchId: string): Promise<void> {
    await this.handler.execute(SERVICE, async (unit) => {
      const project = await unit.state(projectDecider, projectId);
      if (project === null) throw new Corrupt(`project ${projectId} has no events`);
      const { safekeeperIds } = placementOf(project);
      await unit.decide(timelineMembersDecider, branchId, { type: 'FoundTimeline', projectId, safekeeperIds });
    });
  }

  private async createBranch({ projectId, branchId }: Operation): Promise<Outcome> {
    const placement = placementOf(await this.projectOf(projectId));
    const { origin } = liveBranch(await this.handler.state(branchDecider, branchId));
    if (origin === null) throw new Corrupt(`branch ${branchId} has no parent to be created from`);
    await this.found(projectId, branchId);
    const made = await this.world.storage.createBranch({ projectId, branchId }, { placement, origin });
    return async (unit) => {
      await unit.decide(branchDecider, branchId, { type: 'MarkBranchReady', ...made });
    };
  }

  private async startCompute(endpoint: Endpoint): Promise<Outcome> {
    const { endpointId, branchId, compute } = endpoint;
    const now = this.ambient.clock.now();
    const preferred = compute.status === 'active' ? compute.location.hostId : null;
    const hostId = pickHost(this.world.registry.hosts, now, preferred);
    if (hostId === null) throw new Unavailable('no compute host is alive');
    const order = await this.orderFor(endpoint);
    const address = await this.world.hosts.start(hostId, order);
    this.world.registry.wake(endpointId);
    return async (unit) => {
      const location = { hostId, ...address };
      await unit.decide(endpointDecider, endpointId, { type: 'MarkStarted', location, at: unit.now });
      await this.recordDrops(unit, branchId, order.catalog.drops);
    };
  }

  private async suspendCompute({ endpointId, compute, life }: Endpoint): Promise<Outcome> {
    if (compute.status === 'active') {
      const { hostId } = compute.location;
      if (!isLost(hostId, this.world.registry, this.ambient.clock.now()))
        await this.world.hosts.stop(hostId, endpointId);
      this.world.registry.ended(hostId, endpointId);
      this.world.registry.sleep(endpointId);
    }
    return async (unit) => {
      await unit.decide(endpointDecider, endpointId, { type: 'MarkSuspended' });
      if (life === 'deleting') await this.removeEndpoint(unit, endpointId);
    };
  }

  private async applyConfig(endpoint: Endpoint): Promise<Outcome> {
    if (endpoint.compute.status !== 'active') return () => Promise.resolve();
    const order = await this.orderFor(endpoint);
    const refusal = await this.world.hosts.apply(endpoint.compute.location.hostId, order).catch(dropRefusal);
    // A drop that Postgres refuses is not tried again: by then there may be something else of that name.
    return async (unit) => {
      await this.recordDrops(unit, endpoint.branchId, order.catalog.drops);
      return refusal;
    };
  }

  private async deleteBranch({ projectId, branchId }: Operation): Promise<Outcome> {
    const project = await this.projectOf(projectId);
    if (project.placement !== null) await this.world.storage.deleteBranch({ projectId, branchId }, project.placement);
    return async (unit) => {
      for (const { endpointId } of endpointsOf(project, branchId)) await this.removeEndpoint(unit, endpointId);
      await unit.decide(branchDecider, branchId, { type: 'DeleteBranch' });
      const left = await unit.decide(projectDecider, projectId, { type: 'RemoveBranch', branchId });
      if (left?.status === 'deleting' && left.branches.length === 0)
        await unit.decide(projectDecider, projectId, { type: 'FinishProjectDeletion' });
    };
  }

  private async removeEndpoint(unit: Unit, endpointId: string): Promise<void> {
    const endpoint = await unit.decide(endpointDecider, endpointId, { type: 'DeleteEndpoint' });
    if (endpoint !== null)
      await unit.decide(projectDecider, endpoint.projectId, { type: 'RemoveEndpoint', endpointId });
  }

  private async recordDrops(unit: Unit, branchId: string, drops: Drops): Promise<void> {
    await unit.decide(branchDecider, branchId, { type: 'MarkDropsApplied', drops });
  }

  private async orderFor({ endpointId, projectId, branchId, settings }: Endpoint): Promise<ComputeOrder> {
    const [project, branch, members] = await Promise.all([
      this.projectOf(projectId),
      this.handler.state(branchDecider, branchId).then(liveBranch),
      readTimelineMembers(this.handler, { projectId, branchId }),
    ]);
    if (branch.cluster === null) throw new Refusal('BranchNotReady', 'the branch was not created: see its operations');
    return {
      endpointId,
      projectId,
      branchId,
      cluster: branch.cluster,
      pgVersion: project.pgVersion,
      placement: placementOf(project),
      members,
      catalog: branch.catalog,
      pgSettings: settings.pgSettings,
    };
  }

  private async close(unit: Unit, { operationId, projectId }: Operation): Promise<void> {
    await unit.decide(operationDecider, operationId, { type: 'FinishOperation', at: unit.now });
    const project = await unit.state(projectDecider, projectId);
    if (project === null || project.status === 'deleted') return;
    const left = await unit.decide(projectDecider, projectId, { type: 'CloseOperation', operationId });
    await startRunnable(unit, left?.chains ?? []);
  }

  private async recordFailure(operation: Operation, error: unknown): Promise<number | null> {
    const project = await this.handler.state(projectDecider, operation.projectId);
    const isRemoval = operation.action === 'delete_timeline' || operation.action === 'suspend_compute';
    const canBeAskedAgain = project?.status !== 'deleting' || !isRemoval;
    const verdict = afterFailure(error, operation, { canBeAskedAgain });
    if (verdict.kind !== 'fail') {
      if (verdict.kind === 'insist' && operation.error?.code !== verdict.error.code)
        this.world.onStuck(operation, verdict.error);
      const retryAt = this.ambient.clock.now() + verdict.delayMs;
      await this.handler.execute(SERVICE, (unit) =>
        unit.decide(operationDecider, operation.operationId, { type: 'FailAttempt', error: verdict.error, retryAt }),
      );
      return verdict.delayMs;
    }
    await this.handler.execute(SERVICE, (unit) => this.giveUp(unit, operation, verdict.error));
    return null;
  }

  /** G3 */
  private async giveUp(unit: Unit, operation: Operation, error: { code: string; message: string }): Promise<void> {
    const { operationId, projectId, chainId } = operation;
    const chain = (await unit.state(projectDecider, projectId))?.chains.find((each) => each.chainId === chainId);
    await unit.decide(operationDecider, operationId, { type: 'FailOperation', error, at: unit.now });
    for (const later of chain?.operations ?? [])
      if (later.operationId !== operationId)
        await unit.decide(operationDecider, later.operationId, { type: 'CancelOperation' });
    for (const endpointId of chain?.endpointIds ?? [])
      await unit.decide(endpointDecider, endpointId, { type: 'AbandonChange' });
    const left = await unit.decide(projectDecider, projectId, { type: 'AbortChain', chainId });
    await startRunnable(unit, left?.chains ?? []);
  }

  private async projectOf(projectId: string): Promise<Project> {
    const project = await this.handler.state(projectDecider, projectId);
    if (project === null) throw new Corrupt(`project ${projectId} has no events`);
    return project;
  }

  private async endpointOf({ endpointId, operationId }: Operation): Promise<Endpoint> {
    const endpoint = endpointId === null ? null : await this.handler.state(endpointDecider, endpointId);
    if (endpoint === null) throw new Corrupt(`operation ${operationId} has no endpoint`);
    return endpoint;
  }
}

function dropRefusal(error: unknown): Refusal {
  if (error instanceof Refusal && error.code === 'DropRefused') return error;
  throw error;
}

function placementOf({ projectId, placement }: Project): Placement {
  if (placement === null) throw new Corrupt(`project ${projectId} has no place in storage`);
  return placement;
}
