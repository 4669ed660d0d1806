/**
 * A project: its settings, the tree of its branches, which endpoints it has, and what is going on in it.
 *
 *   J1  Names of branches are unique within a project.
 *   J2  The root branch, the default branch and a branch with children are never removed.
 *   J3  A branch has at most one read-write endpoint.
 *   J4  Of two chains of operations that conflict, the later runs only when the earlier has ended. A chain that may not wait
 *       is refused instead (`ProjectBusy`).
 *   J5  Operations of a chain run one after the other; when one fails, the rest of the chain is given up.
 *   J6  The safekeepers of a project may be changed: branches made afterwards begin on them, the others are brought to them.
 */
import type { Decider } from '@neon/event-sourcing';
import { Refusal, unreachable } from '@neon/kernel';
import { z } from 'zod';
import { Chain, closeOperation, conflictsWithAny } from './chain';
import { AllowedIps, EndpointKind, EndpointSettings, MemberEntry, Placement } from './settings';

export const ProjectSettings = z.object({
  name: z.string(),
  historyRetentionSeconds: z.number().int(),
  defaultEndpointSettings: EndpointSettings,
  allowedIps: AllowedIps,
});
export type ProjectSettings = z.infer<typeof ProjectSettings>;

export const ProjectEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ProjectCreated'),
    projectId: z.string(),
    pgVersion: z.number().int(),
    regionId: z.string(),
    storePasswords: z.boolean(),
    settings: ProjectSettings,
  }),
  z.object({ type: z.literal('ProjectUpdated'), settings: ProjectSettings }),
  z.object({ type: z.literal('ProjectPlaced'), placement: Placement }),
  z.object({ type: z.literal('ProjectSafekeepersChanged'), members: z.array(MemberEntry) }),
  z.object({
    type: z.literal('BranchAdded'),
    branchId: z.string(),
    name: z.string(),
    parentId: z.string().nullable(),
    isDefault: z.boolean(),
  }),
  z.object({ type: z.literal('BranchRenamed'), branchId: z.string(), name: z.string() }),
  z.object({ type: z.literal('BranchRemoved'), branchId: z.string() }),
  z.object({ type: z.literal('EndpointAdded'), endpointId: z.string(), branchId: z.string(), kind: EndpointKind }),
  z.object({ type: z.literal('EndpointRemoved'), endpointId: z.string() }),
  z.object({ type: z.literal('ChainOpened'), chain: Chain }),
  z.object({ type: z.literal('OperationClosed'), operationId: z.string() }),
  z.object({ type: z.literal('ChainAborted'), chainId: z.string() }),
  z.object({ type: z.literal('ProjectDeletionRequested') }),
  z.object({ type: z.literal('ProjectDeleted') }),
]);
export type ProjectEvent = z.infer<typeof ProjectEvent>;

export interface BranchEntry {
  readonly branchId: string;
  readonly name: string;
  readonly parentId: string | null;
  readonly isDefault: boolean;
}

export interface EndpointEntry {
  readonly endpointId: string;
  readonly branchId: string;
  readonly kind: EndpointKind;
}

export interface Project {
  readonly projectId: string;
  readonly status: 'live' | 'deleting' | 'deleted';
  readonly pgVersion: number;
  readonly regionId: string;
  readonly storePasswords: boolean;
  readonly settings: ProjectSettings;
  readonly placement: Placement | null;
  /** The safekeepers that every branch shall have, as the disks they were when that was asked; null while it never was. */
  readonly wantedMembers: readonly MemberEntry[] | null;
  readonly branches: readonly BranchEntry[];
  readonly endpoints: readonly EndpointEntry[];
  /** Open chains, oldest first. */
  readonly chains: readonly Chain[];
}

export type ProjectCommand =
  | {
      readonly type: 'CreateProject';
      readonly projectId: string;
      readonly pgVersion: number;
      readonly regionId: string;
      readonly storePasswords: boolean;
      readonly settings: ProjectSettings;
    }
  | { readonly type: 'UpdateProject'; readonly settings: Partial<ProjectSettings> }
  | { readonly type: 'PlaceProject'; readonly placement: Placement }
  | { readonly type: 'ChangeSafekeepers'; readonly members: readonly MemberEntry[] }
  | { readonly type: 'AddBranch'; readonly branchId: string; readonly name: string; readonly parentId: string | null }
  | { readonly type: 'RenameBranch'; readonly branchId: string; readonly name: string }
  | { readonly type: 'CheckBranchRemovable'; readonly branchId: string }
  | { readonly type: 'RemoveBranch'; readonly branchId: string }
  | {
      readonly type: 'AddEndpoint';
      readonly endpointId: string;
      readonly branchId: string;
      readonly kind: EndpointKind;
    }
  | { readonly type: 'RemoveEndpoint'; readonly endpointId: string }
  | { readonly type: 'OpenChain'; readonly chain: Chain; readonly mayWait: boolean }
  | { readonly type: 'CloseOperation'; readonly operationId: string }
  | { readonly type: 'AbortChain'; readonly chainId: string }
  | { readonly type: 'RequestProjectDeletion' }
  | { readonly type: 'FinishProjectDeletion' };

export const projectDecider: Decider<Project | null, ProjectCommand, ProjectEvent> = {
  kind: 'project',
  initial: null,
  event: ProjectEvent,
  decide,
  evolve,
};

/** @throws Refusal `ProjectNotFound` unless people can see it. */
export function liveProject(project: Project | null): Project {
  if (project === null || project.status !== 'live') throw new Refusal('ProjectNotFound', 'project not found');
  return project;
}

/** @throws Refusal `BranchNotFound` */
export function branchOf(project: Project, branchId: string): BranchEntry {
  const branch = project.branches.find((each) => each.branchId === branchId);
  if (branch === undefined) throw new Refusal('BranchNotFound', 'branch not found');
  return branch;
}

export const endpointsOf = (project: Project, branchId: string): readonly EndpointEntry[] =>
  project.endpoints.filter((endpoint) => endpoint.branchId === branchId);

function decide(command: ProjectCommand, project: Project | null): readonly ProjectEvent[] {
  if (command.type === 'CreateProject') {
    if (project !== null) throw new Refusal('ProjectExists', 'the project exists');
    return [{ ...command, type: 'ProjectCreated' }];
  }
  if (project === null || project.status === 'deleted') throw new Refusal('ProjectNotFound', 'project not found');
  switch (command.type) {
    case 'UpdateProject':
      return [{ type: 'ProjectUpdated', settings: { ...liveProject(project).settings, ...command.settings } }];
    case 'PlaceProject':
      return project.placement === null ? [{ type: 'ProjectPlaced', placement: command.placement }] : [];
    case 'ChangeSafekeepers':
      return changeSafekeepers(command.members, liveProject(project));
    case 'AddBranch':
      return addBranch(command, liveProject(project));
    case 'RenameBranch':
      return renameBranch(command, liveProject(project));
    case 'CheckBranchRemovable':
      return checkRemovable(command.branchId, liveProject(project));
    case 'RemoveBranch':
      return project.branches.some(({ branchId }) => branchId === command.branchId)
        ? [{ type: 'BranchRemoved', branchId: command.branchId }]
        : [];
    case 'AddEndpoint':
      return addEndpoint(command, liveProject(project));
    case 'RemoveEndpoint':
      return project.endpoints.some(({ endpointId }) => endpointId === command.endpointId)
        ? [{ type: 'EndpointRemoved', endpointId: command.endpointId }]
        : [];
    case 'OpenChain':
      if (!command.mayWait && conflictsWithAny(command.chain, project.chains)) throw busy();
      return [{ type: 'ChainOpened', chain: command.chain }];
    case 'CloseOperation':
      return project.chains.some(({ operations }) =>
        operations.some((each) => each.operationId === command.operationId),
      )
        ? [{ type: 'OperationClosed', operationId: command.operationId }]
        : [];
    case 'AbortChain':
      return project.chains.some(({ chainId }) => chainId === command.chainId)
        ? [{ type: 'ChainAborted', chainId: command.chainId }]
        : [];
    case 'RequestProjectDeletion':
      liveProject(project);
      return [{ type: 'ProjectDeletionRequested' }];
    case 'FinishProjectDeletion':
      return [{ type: 'ProjectDeleted' }];
    default:
      return unreachable(command);
  }
}

const busy = (): Refusal =>
  new Refusal(
    'ProjectBusy',
    'project already has running conflicting operations, scheduling of new ones is prohibited',
  );

function changeSafekeepers(members: readonly MemberEntry[], project: Project): readonly ProjectEvent[] {
  if (project.placement === null) throw new Refusal('BranchNotReady', 'the project has no place in storage yet');
  return areSame(project.wantedMembers, members) ? [] : [{ type: 'ProjectSafekeepersChanged', members: [...members] }];
}

const areSame = (before: readonly MemberEntry[] | null, members: readonly MemberEntry[]): boolean =>
  before !== null &&
  before.length === members.length &&
  members.every((member, index) => {
    const other = before[index];
    return member.safekeeperId === other?.safekeeperId && member.incarnation === other.incarnation;
  });

function assertNameFree(project: Project, name: string, branchId: string): void {
  if (project.branches.some((each) => each.name === name && each.branchId !== branchId))
    throw new Refusal('BranchNameTaken', `branch with the provided name already exists: ${name}`);
}

function addBranch(
  { branchId, name, parentId }: { branchId: string; name: string; parentId: string | null },
  project: Project,
): readonly ProjectEvent[] {
  if (parentId !== null) branchOf(project, parentId);
  assertNameFree(project, name, branchId);
  return [{ type: 'BranchAdded', branchId, name, parentId, isDefault: parentId === null }];
}

function renameBranch(
  { branchId, name }: { branchId: string; name: string },
  project: Project,
): readonly ProjectEvent[] {
  if (branchOf(project, branchId).name === name) return [];
  assertNameFree(project, name, branchId);
  return [{ type: 'BranchRenamed', branchId, name }];
}

function checkRemovable(branchId: string, project: Project): readonly ProjectEvent[] {
  const branch = branchOf(project, branchId);
  const children = project.branches.filter(({ parentId }) => parentId === branchId);
  if (children.length > 0) {
    const names = children.map((child) => child.branchId).join(', ');
    throw new Refusal('BranchHasChildren', `cannot delete branch that has children: ${names}`);
  }
  if (branch.parentId === null) throw new Refusal('BranchIsRoot', 'cannot delete the root branch of a project');
  if (branch.isDefault) throw new Refusal('BranchIsDefault', 'cannot delete the default branch of a project');
  return [];
}

function addEndpoint(
  { endpointId, branchId, kind }: { endpointId: string; branchId: string; kind: EndpointKind },
  project: Project,
): readonly ProjectEvent[] {
  branchOf(project, branchId);
  if (kind === 'read_write' && endpointsOf(project, branchId).some((each) => each.kind === 'read_write'))
    throw new Refusal('EndpointExists', 'read_write endpoint already exists for the branch');
  return [{ type: 'EndpointAdded', endpointId, branchId, kind }];
}

function evolve(project: Project | null, event: ProjectEvent): Project | null {
  if (event.type === 'ProjectCreated') {
    const { type: _type, ...created } = event;
    return {
      ...created,
      status: 'live',
      placement: null,
      wantedMembers: null,
      branches: [],
      endpoints: [],
      chains: [],
    };
  }
  if (project === null) return null;
  switch (event.type) {
    case 'ProjectUpdated':
      return { ...project, settings: event.settings };
    case 'ProjectPlaced':
      return { ...project, placement: event.placement };
    case 'ProjectSafekeepersChanged': {
      const { members } = event;
      const safekeeperIds = members.map(({ safekeeperId }) => safekeeperId);
      const { placement } = project;
      return { ...project, wantedMembers: members, placement: placement && { ...placement, safekeeperIds } };
    }
    case 'BranchAdded': {
      const { branchId, name, parentId, isDefault } = event;
      return { ...project, branches: [...project.branches, { branchId, name, parentId, isDefault }] };
    }
    case 'BranchRenamed':
      return {
        ...project,
        branches: project.branches.map((each) =>
          each.branchId === event.branchId ? { ...each, name: event.name } : each,
        ),
      };
    case 'BranchRemoved':
      return { ...project, branches: project.branches.filter((each) => each.branchId !== event.branchId) };
    case 'EndpointAdded': {
      const { endpointId, branchId, kind } = event;
      return { ...project, endpoints: [...project.endpoints, { endpointId, branchId, kind }] };
    }
    case 'EndpointRemoved':
      return { ...project, endpoints: project.endpoints.filter((each) => each.endpointId !== event.endpointId) };
    case 'ChainOpened':
      return { ...project, chains: [...project.chains, event.chain] };
    case 'OperationClosed':
      return { ...project, chains: closeOperation(project.chains, event.operationId) };
    case 'ChainAborted':
      return { ...project, chains: project.chains.filter(({ chainId }) => chainId !== event.chainId) };
    case 'ProjectDeletionRequested':
      return { ...project, status: 'deleting' };
    case 'ProjectDeleted':
      return { ...project, status: 'deleted', branches: [], endpoints: [], chains: [] };
    default:
      return unreachable(event);
  }
}
