/**
 * A branch: where it began, and the roles and databases that its Postgres must have.
 *
 *   B1  Roles and databases are names of one branch; a new branch begins with its parent's, passwords included.
 *   B2  A role that owns a database is not deleted; a database has an owner that exists.
 *   B3  What was deleted is remembered until a compute has applied it, so a name may be taken again at once.
 *   B4  Names that Postgres or the platform needs are refused.
 *
 * Its name, its place in the tree and its endpoints are the project's to know.
 */
import type { Decider } from '@neon/event-sourcing';
import { Refusal, unreachable } from '@neon/kernel';
import { z } from 'zod';
import { assertDatabaseName, assertRoleName } from './names';

export const Role = z.object({
  name: z.string(),
  /** What proves the password, in Postgres' text form; null: no password login. */
  verifier: z.string().nullable(),
  /** Where the password itself is kept, encrypted; null: nowhere. */
  secretId: z.string().nullable(),
});
export type Role = z.infer<typeof Role>;

export const Database = z.object({ databaseId: z.number().int(), name: z.string(), ownerName: z.string() });
export type Database = z.infer<typeof Database>;

export const Drops = z.object({ roles: z.array(z.string()), databases: z.array(z.string()) });
export type Drops = z.infer<typeof Drops>;

export const BranchPoint = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('head') }),
  z.object({ kind: z.literal('lsn'), lsn: z.string() }),
  /** The text as it was given, to the microsecond, and the millisecond it lies in, since the Unix epoch. */
  z.object({ kind: z.literal('time'), time: z.string(), at: z.number() }),
]);
export type BranchPoint = z.infer<typeof BranchPoint>;

/** What identifies the branch's Postgres to storage: made by initdb, the same for all branches that come from it. */
export const ClusterIdentity = z.object({ systemId: z.string(), walSegmentSize: z.number().int() });
export type ClusterIdentity = z.infer<typeof ClusterIdentity>;

export const Origin = z.object({ parentId: z.string(), point: BranchPoint });
export type Origin = z.infer<typeof Origin>;

/** The Postgres side of a branch: what a child inherits. */
export const Catalog = z.object({ roles: z.array(Role), databases: z.array(Database), drops: Drops });
export type Catalog = z.infer<typeof Catalog>;

export const BranchEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('BranchCreated'),
    branchId: z.string(),
    projectId: z.string(),
    origin: Origin.nullable(),
    catalog: Catalog,
    annotation: z.record(z.string(), z.string()),
  }),
  z.object({ type: z.literal('BranchReady'), parentLsn: z.string().nullable(), cluster: ClusterIdentity }),
  z.object({ type: z.literal('BranchDeleted') }),
  z.object({ type: z.literal('RoleCreated'), role: Role }),
  z.object({ type: z.literal('RolePasswordReset'), role: Role }),
  z.object({ type: z.literal('RoleDeleted'), name: z.string() }),
  z.object({ type: z.literal('DatabaseCreated'), database: Database }),
  z.object({ type: z.literal('DatabaseDeleted'), name: z.string() }),
  z.object({ type: z.literal('DropsApplied'), drops: Drops }),
]);
export type BranchEvent = z.infer<typeof BranchEvent>;

export interface Branch {
  readonly branchId: string;
  readonly projectId: string;
  readonly status: 'init' | 'ready' | 'deleted';
  /** Null until it is ready. */
  readonly cluster: ClusterIdentity | null;
  readonly origin: Origin | null;
  readonly catalog: Catalog;
}

export type BranchCommand =
  | {
      readonly type: 'CreateBranch';
      readonly branchId: string;
      readonly projectId: string;
      readonly origin: Origin | null;
      readonly catalog: Catalog;
      readonly annotation: Readonly<Record<string, string>>;
    }
  | { readonly type: 'MarkBranchReady'; readonly parentLsn: string | null; readonly cluster: ClusterIdentity }
  | { readonly type: 'DeleteBranch' }
  | { readonly type: 'CreateRole'; readonly role: Role }
  | { readonly type: 'ResetRolePassword'; readonly role: Role }
  | { readonly type: 'DeleteRole'; readonly name: string }
  | { readonly type: 'CreateDatabase'; readonly database: Database }
  | { readonly type: 'DeleteDatabase'; readonly name: string }
  | { readonly type: 'MarkDropsApplied'; readonly drops: Drops };

export const branchDecider: Decider<Branch | null, BranchCommand, BranchEvent> = {
  kind: 'branch',
  initial: null,
  event: BranchEvent,
  decide,
  evolve,
};

/** @throws Refusal `BranchNotFound` */
export function liveBranch(branch: Branch | null): Branch {
  if (branch === null || branch.status === 'deleted') throw new Refusal('BranchNotFound', 'branch not found');
  return branch;
}

/** @throws Refusal `RoleNotFound` */
export function roleOf({ catalog }: Branch, name: string): Role {
  const role = catalog.roles.find((each) => each.name === name);
  if (role === undefined) throw new Refusal('RoleNotFound', `role not found: ${name}`);
  return role;
}

function decide(command: BranchCommand, branch: Branch | null): readonly BranchEvent[] {
  if (command.type === 'CreateBranch') {
    if (branch !== null) throw new Refusal('BranchExists', 'the branch exists');
    return [{ ...command, type: 'BranchCreated' }];
  }
  const live = liveBranch(branch);
  switch (command.type) {
    case 'MarkBranchReady':
      return live.status === 'init' ? [{ ...command, type: 'BranchReady' }] : [];
    case 'DeleteBranch':
      return [{ type: 'BranchDeleted' }];
    case 'CreateRole':
      return createRole(command.role, live);
    case 'ResetRolePassword':
      roleOf(live, command.role.name);
      return [{ type: 'RolePasswordReset', role: command.role }];
    case 'DeleteRole':
      return deleteRole(command.name, live);
    case 'CreateDatabase':
      return createDatabase(command.database, live);
    case 'DeleteDatabase':
      if (!live.catalog.databases.some(({ name }) => name === command.name))
        throw new Refusal('DatabaseNotFound', `database not found: ${command.name}`);
      return [{ type: 'DatabaseDeleted', name: command.name }];
    case 'MarkDropsApplied':
      return command.drops.roles.length + command.drops.databases.length === 0
        ? []
        : [{ type: 'DropsApplied', drops: command.drops }];
    default:
      return unreachable(command);
  }
}

function createRole(role: Role, { catalog }: Branch): readonly BranchEvent[] {
  assertRoleName(role.name);
  if (catalog.roles.some(({ name }) => name === role.name))
    throw new Refusal('RoleExists', `role already exists: ${role.name}`);
  return [{ type: 'RoleCreated', role }];
}

function deleteRole(name: string, branch: Branch): readonly BranchEvent[] {
  roleOf(branch, name);
  const owned = branch.catalog.databases.find(({ ownerName }) => ownerName === name);
  if (owned !== undefined)
    throw new Refusal('RoleOwnsDatabase', `cannot delete role ${name}: it owns the database ${owned.name}`);
  return [{ type: 'RoleDeleted', name }];
}

function createDatabase(database: Database, branch: Branch): readonly BranchEvent[] {
  assertDatabaseName(database.name);
  roleOf(branch, database.ownerName);
  if (branch.catalog.databases.some(({ name }) => name === database.name))
    throw new Refusal('DatabaseExists', `database already exists: ${database.name}`);
  return [{ type: 'DatabaseCreated', database }];
}

function evolve(branch: Branch | null, event: BranchEvent): Branch | null {
  if (event.type === 'BranchCreated') {
    const { branchId, projectId, origin, catalog } = event;
    return { branchId, projectId, origin, catalog, status: 'init', cluster: null };
  }
  if (branch === null) return null;
  const { catalog } = branch;
  const changed = (change: Partial<Catalog>): Branch => ({ ...branch, catalog: { ...catalog, ...change } });
  switch (event.type) {
    case 'BranchReady':
      return { ...branch, status: 'ready', cluster: event.cluster };
    case 'BranchDeleted':
      return { ...branch, status: 'deleted' };
    case 'RoleCreated':
      return changed({ roles: [...catalog.roles, event.role], drops: without(catalog.drops, [event.role.name], []) });
    case 'RolePasswordReset':
      return changed({ roles: catalog.roles.map((each) => (each.name === event.role.name ? event.role : each)) });
    case 'RoleDeleted':
      return changed({
        roles: catalog.roles.filter(({ name }) => name !== event.name),
        drops: { ...catalog.drops, roles: [...catalog.drops.roles, event.name] },
      });
    case 'DatabaseCreated':
      return changed({
        databases: [...catalog.databases, event.database],
        drops: without(catalog.drops, [], [event.database.name]),
      });
    case 'DatabaseDeleted':
      return changed({
        databases: catalog.databases.filter(({ name }) => name !== event.name),
        drops: { ...catalog.drops, databases: [...catalog.drops.databases, event.name] },
      });
    case 'DropsApplied':
      return changed({ drops: without(catalog.drops, event.drops.roles, event.drops.databases) });
    default:
      return unreachable(event);
  }
}

const without = (drops: Drops, roles: readonly string[], databases: readonly string[]): Drops => ({
  roles: drops.roles.filter((name) => !roles.includes(name)),
  databases: drops.databases.filter((name) => !databases.includes(name)),
});
