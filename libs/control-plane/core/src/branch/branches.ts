/** What people do with branches. */
import { type EventStore, type Unit, decode, streamOf } from '@neon/event-sourcing';
import { endpointDecider } from '../endpoint/endpoint';
import { newBranchId, newDatabaseId, newEndpointId } from '../ids/ids';
import { type By, type Change, type Workshop, positionOf } from '../operation/change';
import { type Step, openChain } from '../operation/open-chain';
import { type Project, branchOf, endpointsOf, liveProject, projectDecider } from '../project/project';
import type { EndpointKind, EndpointSettings } from '../project/settings';
import type { BranchStorage } from './branch-storage';
import { type Branch, type BranchPoint, type Catalog, branchDecider, liveBranch } from './branch';

export interface NewEndpoint {
  readonly kind: EndpointKind;
  readonly settings: Partial<EndpointSettings>;
}

export interface NewBranch {
  /** Without one, the id. */
  readonly name?: string | undefined;
  /** Without one, the default branch. */
  readonly parentId?: string | undefined;
  readonly point: BranchPoint;
  readonly endpoints: readonly NewEndpoint[];
  readonly annotation: Readonly<Record<string, string>>;
}

export interface CreatedBranch extends Change {
  readonly branchId: string;
  readonly endpointIds: readonly string[];
}

export class Branches {
  constructor(
    private readonly workshop: Workshop,
    private readonly store: EventStore,
    private readonly storage: BranchStorage,
  ) {}

  /** A branch with the parent's roles and databases as of the branch point. No data is copied. */
  async create(projectId: string, wish: NewBranch, by: By): Promise<CreatedBranch> {
    const { handler, random, queue } = this.workshop;
    await this.checkPoint(projectId, wish);
    const committed = await handler.execute(by, async (unit) => {
      const project = liveProject(await unit.state(projectDecider, projectId));
      const parentId = wish.parentId ?? defaultBranchId(project);
      const branchId = newBranchId(random);
      const entry = { branchId, name: wish.name ?? branchId, parentId };
      await unit.decide(projectDecider, projectId, { type: 'AddBranch', ...entry });
      const parent = liveBranch(await unit.state(branchDecider, parentId));
      const inherited = await this.catalogAt(parent, wish.point);
      const origin = { parentId, point: wish.point };
      await unit.decide(branchDecider, branchId, {
        type: 'CreateBranch',
        branchId,
        projectId,
        origin,
        annotation: wish.annotation,
        catalog: {
          ...inherited,
          databases: inherited.databases.map((each) => ({ ...each, databaseId: newDatabaseId(random) })),
        },
      });
      const steps: Step[] = [{ action: 'create_branch', branchId }];
      for (const endpoint of wish.endpoints) steps.push(await this.addEndpoint(unit, project, branchId, endpoint));
      const operationIds = await openChain(unit, projectId, { scope: 'project', steps, mayWait: false }, random);
      return { branchId, endpointIds: steps.flatMap(({ endpointId }) => endpointId ?? []), operationIds };
    });
    queue.nudge(projectId);
    return { ...committed.value, position: positionOf(committed) };
  }

  async rename(address: { projectId: string; branchId: string }, name: string, by: By): Promise<Change> {
    const { projectId, branchId } = address;
    const committed = await this.workshop.handler.execute(by, (unit) =>
      unit.decide(projectDecider, projectId, { type: 'RenameBranch', branchId, name }),
    );
    return { position: positionOf(committed), operationIds: [] };
  }

  /** @throws Refusal `BranchNotFound`, `BranchHasChildren`, `BranchIsRoot`, `BranchIsDefault`, `ProjectBusy` */
  async delete({ projectId, branchId }: { projectId: string; branchId: string }, by: By): Promise<Change> {
    const { handler, random, queue } = this.workshop;
    const committed = await handler.execute(by, async (unit) => {
      const project = liveProject(await unit.state(projectDecider, projectId));
      await unit.decide(projectDecider, projectId, { type: 'CheckBranchRemovable', branchId });
      const steps: Step[] = [];
      for (const { endpointId } of endpointsOf(project, branchId)) {
        steps.push({ action: 'suspend_compute', branchId, endpointId });
        await unit.decide(endpointDecider, endpointId, { type: 'RequestSuspend', reason: 'requested' });
      }
      steps.push({ action: 'delete_timeline', branchId });
      return openChain(unit, projectId, { scope: 'project', steps, mayWait: false }, random);
    });
    queue.nudge(projectId);
    return { position: positionOf(committed), operationIds: committed.value };
  }

  /** A point that storage does not have is refused now rather than by an operation later. */
  private async checkPoint(projectId: string, { point, parentId }: NewBranch): Promise<void> {
    if (point.kind === 'head') return;
    const project = liveProject(await this.workshop.handler.state(projectDecider, projectId));
    const branchId = branchOf(project, parentId ?? defaultBranchId(project)).branchId;
    const parent = await this.workshop.handler.state(branchDecider, branchId);
    if (project.placement === null || parent?.status !== 'ready') return;
    await this.storage.checkPoint({ projectId, branchId }, project.placement, point);
  }

  private async addEndpoint(unit: Unit, project: Project, branchId: string, wish: NewEndpoint): Promise<Step> {
    const { projectId, settings } = project;
    const endpointId = newEndpointId(this.workshop.random);
    const { kind } = wish;
    await unit.decide(projectDecider, projectId, { type: 'AddEndpoint', endpointId, branchId, kind });
    await unit.decide(endpointDecider, endpointId, {
      type: 'CreateEndpoint',
      endpointId,
      projectId,
      branchId,
      kind,
      name: null,
      settings: { ...settings.defaultEndpointSettings, ...wish.settings },
    });
    await unit.decide(endpointDecider, endpointId, { type: 'RequestStart' });
    return { action: 'start_compute', branchId, endpointId };
  }

  /** For a point in time, what the parent had then; otherwise what it has now. */
  private async catalogAt(parent: Branch, point: BranchPoint): Promise<Catalog> {
    if (point.kind !== 'time') return parent.catalog;
    const recorded = await this.store.readStream(streamOf(branchDecider, parent.branchId));
    const [created, ...later] = recorded;
    if (created === undefined) return parent.catalog;
    const then = [created, ...later.filter(({ metadata }) => metadata.at <= point.at)]
      .map((event) => decode(branchDecider, event))
      .reduce(branchDecider.evolve, branchDecider.initial);
    return then?.catalog ?? parent.catalog;
  }
}

const defaultBranchId = (project: Project): string =>
  project.branches.find(({ isDefault }) => isDefault)?.branchId ?? branchOf(project, '').branchId;
