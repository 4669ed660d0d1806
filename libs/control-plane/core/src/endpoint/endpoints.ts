/** What people do with endpoints. */
import { Refusal } from '@neon/kernel';
import type { Unit } from '@neon/event-sourcing';
import { newEndpointId } from '../ids/ids';
import { type By, type Change, type Workshop, positionOf } from '../operation/change';
import { type Step, openChain } from '../operation/open-chain';
import { type EndpointEntry, branchOf, liveProject, projectDecider } from '../project/project';
import { conflictsWithAny } from '../project/chain';
import type { EndpointKind, EndpointSettings } from '../project/settings';
import { type Endpoint, endpointDecider, liveEndpoint } from './endpoint';

export interface EndpointPath {
  readonly projectId: string;
  readonly endpointId: string;
}

export interface EndpointWish {
  readonly branchId: string;
  readonly kind: EndpointKind;
  readonly name?: string | undefined;
  readonly settings: Partial<EndpointSettings>;
}

export class Endpoints {
  constructor(private readonly workshop: Workshop) {}

  async create(projectId: string, wish: EndpointWish, by: By): Promise<Change & { readonly endpointId: string }> {
    const { branchId, kind } = wish;
    const committed = await this.workshop.handler.execute(by, async (unit) => {
      const project = liveProject(await unit.state(projectDecider, projectId));
      const endpointId = newEndpointId(this.workshop.random);
      await unit.decide(projectDecider, projectId, { type: 'AddEndpoint', endpointId, branchId, kind });
      const settings = { ...project.settings.defaultEndpointSettings, ...wish.settings };
      const endpoint = { endpointId, projectId, branchId, kind, name: wish.name ?? null, settings };
      await unit.decide(endpointDecider, endpointId, { type: 'CreateEndpoint', ...endpoint });
      await unit.decide(endpointDecider, endpointId, { type: 'RequestStart' });
      const step = { action: 'start_compute', branchId, endpointId } as const;
      return { endpointId, operationIds: await this.open(unit, projectId, 'project', [step]) };
    });
    this.workshop.queue.nudge(projectId);
    return { ...committed.value, position: positionOf(committed) };
  }

  /** Settings that a running compute reads only at its start take effect at the next one. */
  async update(path: EndpointPath, settings: Partial<EndpointSettings>, by: By): Promise<Change> {
    return this.change(path, by, async (unit) => {
      await unit.decide(endpointDecider, path.endpointId, { type: 'UpdateEndpoint', settings });
      return [];
    });
  }

  start(path: EndpointPath, by: By): Promise<Change> {
    return this.change(path, by, async (unit, { endpointId, branchId, compute }) => {
      if (compute.status === 'active') return [];
      await unit.decide(endpointDecider, endpointId, { type: 'RequestStart' });
      return this.open(unit, path.projectId, 'endpoint', [{ action: 'start_compute', branchId, endpointId }]);
    });
  }

  suspend(path: EndpointPath, by: By): Promise<Change> {
    return this.change(path, by, async (unit, { endpointId, branchId, compute }) => {
      await this.refuseWhileChanging(unit, path);
      if (compute.status !== 'active') return [];
      await unit.decide(endpointDecider, endpointId, { type: 'RequestSuspend', reason: 'requested' });
      return this.open(unit, path.projectId, 'endpoint', [{ action: 'suspend_compute', branchId, endpointId }]);
    });
  }

  restart(path: EndpointPath, by: By): Promise<Change> {
    return this.change(path, by, async (unit, { endpointId, branchId, compute }) => {
      const start = { action: 'start_compute', branchId, endpointId } as const;
      if (compute.status !== 'active') {
        await unit.decide(endpointDecider, endpointId, { type: 'RequestStart' });
        return this.open(unit, path.projectId, 'endpoint', [start]);
      }
      await unit.decide(endpointDecider, endpointId, { type: 'RequestSuspend', reason: 'requested' });
      const suspend = { action: 'suspend_compute', branchId, endpointId } as const;
      return this.open(unit, path.projectId, 'endpoint', [suspend, start]);
    });
  }

  /** An endpoint that sleeps is gone at once; one that runs goes when its compute has stopped. */
  async delete(path: EndpointPath, by: By): Promise<Change> {
    const { projectId, endpointId } = path;
    const committed = await this.workshop.handler.execute(by, async (unit) => {
      const { branchId } = await this.entry(unit, path);
      const endpoint = await unit.state(endpointDecider, endpointId);
      if (endpoint?.life === 'live') await unit.decide(endpointDecider, endpointId, { type: 'RequestDeletion' });
      const project = liveProject(await unit.state(projectDecider, projectId));
      const busy = project.chains.some(({ endpointIds }) => endpointIds.includes(endpointId));
      if (endpoint?.compute.status === 'active' || busy) {
        await unit.decide(endpointDecider, endpointId, { type: 'RequestSuspend', reason: 'requested' });
        return this.open(unit, projectId, 'project', [{ action: 'suspend_compute', branchId, endpointId }]);
      }
      await unit.decide(endpointDecider, endpointId, { type: 'DeleteEndpoint' });
      await unit.decide(projectDecider, projectId, { type: 'RemoveEndpoint', endpointId });
      return [];
    });
    this.workshop.queue.nudge(projectId);
    return { position: positionOf(committed), operationIds: committed.value };
  }

  private async change(
    path: EndpointPath,
    by: By,
    work: (unit: Unit, endpoint: Endpoint) => Promise<readonly string[]>,
  ): Promise<Change> {
    const committed = await this.workshop.handler.execute(by, async (unit) => {
      await this.entry(unit, path);
      return work(unit, liveEndpoint(await unit.state(endpointDecider, path.endpointId)));
    });
    this.workshop.queue.nudge(path.projectId);
    return { position: positionOf(committed), operationIds: committed.value };
  }

  private async entry(unit: Unit, { projectId, endpointId }: EndpointPath): Promise<EndpointEntry> {
    const project = liveProject(await unit.state(projectDecider, projectId));
    const entry = project.endpoints.find((each) => each.endpointId === endpointId);
    if (entry === undefined) throw new Refusal('EndpointNotFound', 'endpoint not found');
    branchOf(project, entry.branchId);
    return entry;
  }

  private async refuseWhileChanging(unit: Unit, { projectId, endpointId }: EndpointPath): Promise<void> {
    const project = liveProject(await unit.state(projectDecider, projectId));
    const probe = { chainId: '', scope: 'endpoint', endpointIds: [endpointId], operations: [] } as const;
    if (conflictsWithAny({ ...probe, endpointIds: [endpointId], operations: [] }, project.chains))
      throw new Refusal('EndpointBusy', 'endpoint is in some transitive state, could not suspend');
  }

  private open(
    unit: Unit,
    projectId: string,
    scope: 'project' | 'endpoint',
    steps: readonly Step[],
  ): Promise<readonly string[]> {
    return openChain(unit, projectId, { scope, steps, mayWait: false }, this.workshop.random);
  }
}
