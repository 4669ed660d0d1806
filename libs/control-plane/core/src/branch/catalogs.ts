/**
 * What people do with the roles and databases of a branch.
 *
 * A change is recorded at once and brought to the branch's running compute by an operation. Without one there is nothing to
 * do yet: the next start applies it, and the operation is skipped.
 */
import type { Unit } from '@neon/event-sourcing';
import { Refusal } from '@neon/kernel';
import { endpointDecider } from '../endpoint/endpoint';
import { newDatabaseId, newPassword } from '../ids/ids';
import { type By, type Change, type Workshop, positionOf } from '../operation/change';
import { openChain, recordSkipped } from '../operation/open-chain';
import { branchOf, endpointsOf, liveProject, projectDecider } from '../project/project';
import { type BranchCommand, branchDecider, liveBranch, roleOf } from './branch';
import type { Passwords } from './passwords';

export interface BranchPath {
  readonly projectId: string;
  readonly branchId: string;
}

export interface RoleChange extends Change {
  readonly password: string | null;
}

export class Catalogs {
  constructor(
    private readonly workshop: Workshop,
    private readonly passwords: Passwords,
  ) {}

  /** @param login without it the role has no password and cannot connect */
  async createRole(path: BranchPath, { name, login }: { name: string; login: boolean }, by: By): Promise<RoleChange> {
    if (!login) {
      const role = { name, verifier: null, secretId: null };
      return { ...(await this.change(path, { type: 'CreateRole', role }, by)), password: null };
    }
    const { password, kept } = await this.newPassword(path);
    const change = await this.change(path, { type: 'CreateRole', role: { name, ...kept } }, by);
    return { ...change, password };
  }

  async resetPassword(path: BranchPath, name: string, by: By): Promise<RoleChange> {
    const { password, kept } = await this.newPassword(path);
    const change = await this.change(path, { type: 'ResetRolePassword', role: { name, ...kept } }, by);
    return { ...change, password };
  }

  /** @throws Refusal `RoleNotFound`, `PasswordNotStored` */
  async revealPassword({ projectId, branchId }: BranchPath, name: string): Promise<string> {
    branchOf(liveProject(await this.workshop.handler.state(projectDecider, projectId)), branchId);
    const branch = liveBranch(await this.workshop.handler.state(branchDecider, branchId));
    const { secretId } = roleOf(branch, name);
    const password = secretId === null ? null : await this.passwords.reveal(secretId);
    if (password === null) throw new Refusal('PasswordNotStored', `the password of role ${name} is not stored`);
    return password;
  }

  deleteRole(path: BranchPath, name: string, by: By): Promise<Change> {
    return this.change(path, { type: 'DeleteRole', name }, by);
  }

  createDatabase(path: BranchPath, wish: { name: string; ownerName: string }, by: By): Promise<Change> {
    const database = { ...wish, databaseId: newDatabaseId(this.workshop.random) };
    return this.change(path, { type: 'CreateDatabase', database }, by);
  }

  deleteDatabase(path: BranchPath, name: string, by: By): Promise<Change> {
    return this.change(path, { type: 'DeleteDatabase', name }, by);
  }

  private async newPassword({ projectId }: BranchPath) {
    const project = liveProject(await this.workshop.handler.state(projectDecider, projectId));
    const password = newPassword(this.workshop.random);
    return { password, kept: await this.passwords.keep(password, project.storePasswords) };
  }

  private async change({ projectId, branchId }: BranchPath, command: BranchCommand, by: By): Promise<Change> {
    const committed = await this.workshop.handler.execute(by, async (unit) => {
      branchOf(liveProject(await unit.state(projectDecider, projectId)), branchId);
      await unit.decide(branchDecider, branchId, command);
      return this.apply(unit, { projectId, branchId });
    });
    this.workshop.queue.nudge(projectId);
    return { position: positionOf(committed), operationIds: committed.value };
  }

  private async apply(unit: Unit, { projectId, branchId }: BranchPath): Promise<readonly string[]> {
    const { random } = this.workshop;
    const project = liveProject(await unit.state(projectDecider, projectId));
    const primary = endpointsOf(project, branchId).find(({ kind }) => kind === 'read_write');
    if (primary === undefined) return [];
    const { endpointId } = primary;
    const step = { action: 'apply_config', branchId, endpointId } as const;
    const endpoint = await unit.state(endpointDecider, endpointId);
    const request = { scope: 'project', steps: [step], mayWait: false } as const;
    if (endpoint !== null && (endpoint.compute.status === 'active' || endpoint.pending !== null))
      return openChain(unit, projectId, request, random);
    return recordSkipped(unit, projectId, step, random);
  }
}
