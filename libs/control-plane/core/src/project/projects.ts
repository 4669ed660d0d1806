/** What people do with projects. */
import { liveProject, projectDecider, type ProjectSettings } from './project';
import type { Passwords } from '../branch/passwords';
import { branchDecider } from '../branch/branch';
import { assertDatabaseName, assertRoleName } from '../branch/names';
import { endpointDecider } from '../endpoint/endpoint';
import { newBranchId, newDatabaseId, newEndpointId, newPassword, newProjectId } from '../ids/ids';
import { type By, type Change, type Workshop, positionOf } from '../operation/change';
import { type Step, openChain } from '../operation/open-chain';
import { DEFAULT_ENDPOINT_SETTINGS, type EndpointSettings, HISTORY_RETENTION_SECONDS } from './settings';

export interface NewProject {
  readonly name?: string | undefined;
  readonly pgVersion: number;
  readonly regionId: string;
  readonly branchName: string;
  readonly roleName: string;
  readonly databaseName: string;
  readonly storePasswords: boolean;
  readonly historyRetentionSeconds?: number | undefined;
  readonly endpointSettings: Partial<EndpointSettings>;
  readonly allowedIps?: ProjectSettings['allowedIps'] | undefined;
}

export interface CreatedProject extends Change {
  readonly projectId: string;
  readonly branchId: string;
  readonly endpointId: string;
  /** Of the first role: shown once. */
  readonly password: string;
}

export class Projects {
  constructor(
    private readonly workshop: Workshop,
    private readonly passwords: Passwords,
  ) {}

  /** A project with its root branch, one role that owns one database, and a read-write endpoint. */
  async create(wish: NewProject, by: By): Promise<CreatedProject> {
    assertRoleName(wish.roleName);
    assertDatabaseName(wish.databaseName);
    const { handler, random, queue } = this.workshop;
    const password = newPassword(random);
    const kept = await this.passwords.keep(password, wish.storePasswords);
    const endpointSettings = { ...DEFAULT_ENDPOINT_SETTINGS, ...wish.endpointSettings };
    const committed = await handler.execute(by, async (unit) => {
      const ids = { projectId: newProjectId(random), branchId: newBranchId(random), endpointId: newEndpointId(random) };
      const { projectId, branchId, endpointId } = ids;
      await unit.decide(projectDecider, projectId, {
        type: 'CreateProject',
        projectId,
        pgVersion: wish.pgVersion,
        regionId: wish.regionId,
        storePasswords: wish.storePasswords,
        settings: {
          name: wish.name ?? projectId,
          historyRetentionSeconds: wish.historyRetentionSeconds ?? HISTORY_RETENTION_SECONDS,
          defaultEndpointSettings: endpointSettings,
          allowedIps: wish.allowedIps ?? { ips: [], protectedBranchesOnly: false },
        },
      });
      const branch = { branchId, name: wish.branchName, parentId: null };
      await unit.decide(projectDecider, projectId, { type: 'AddBranch', ...branch });
      await unit.decide(branchDecider, branchId, {
        type: 'CreateBranch',
        branchId,
        projectId,
        origin: null,
        annotation: {},
        catalog: {
          roles: [{ name: wish.roleName, ...kept }],
          databases: [{ databaseId: newDatabaseId(random), name: wish.databaseName, ownerName: wish.roleName }],
          drops: { roles: [], databases: [] },
        },
      });
      const kind = 'read_write' as const;
      await unit.decide(projectDecider, projectId, { type: 'AddEndpoint', endpointId, branchId, kind });
      const endpoint = { endpointId, projectId, branchId, kind, name: null, settings: endpointSettings };
      await unit.decide(endpointDecider, endpointId, { type: 'CreateEndpoint', ...endpoint });
      await unit.decide(endpointDecider, endpointId, { type: 'RequestStart' });
      const steps: Step[] = [
        { action: 'create_timeline', branchId },
        { action: 'start_compute', branchId, endpointId },
      ];
      const operationIds = await openChain(unit, projectId, { scope: 'project', steps, mayWait: false }, random);
      return { ...ids, operationIds };
    });
    queue.nudge(committed.value.projectId);
    return { ...committed.value, password, position: positionOf(committed) };
  }

  async update(projectId: string, settings: Partial<ProjectSettings>, by: By): Promise<Change> {
    const committed = await this.workshop.handler.execute(by, (unit) =>
      unit.decide(projectDecider, projectId, { type: 'UpdateProject', settings }),
    );
    return { position: positionOf(committed), operationIds: [] };
  }

  /** People see it no more from now on; its computes and its data go in the background, children before parents. */
  async delete(projectId: string, by: By): Promise<Change> {
    const { handler, random, queue } = this.workshop;
    const committed = await handler.execute(by, async (unit) => {
      const project = liveProject(await unit.state(projectDecider, projectId));
      const suspensions: Step[] = [];
      for (const { endpointId, branchId } of project.endpoints) {
        suspensions.push({ action: 'suspend_compute', branchId, endpointId });
        await unit.decide(endpointDecider, endpointId, { type: 'RequestSuspend', reason: 'requested' });
      }
      // A parent is always older than its children.
      const deletions = project.branches
        .map(({ branchId }): Step => ({ action: 'delete_timeline', branchId }))
        .reverse();
      const steps = [...suspensions, ...deletions];
      const operationIds = await openChain(unit, projectId, { scope: 'project', steps, mayWait: false }, random);
      await unit.decide(projectDecider, projectId, { type: 'RequestProjectDeletion' });
      return operationIds;
    });
    queue.nudge(projectId);
    return { position: positionOf(committed), operationIds: committed.value };
  }
}
