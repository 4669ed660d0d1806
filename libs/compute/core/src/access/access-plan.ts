/**
 * Roles and databases: from what a cluster has to what its spec wants, as SQL.
 *
 *   R1  A plan against a cluster that already is as the spec wants is empty: applying twice changes nothing.
 *   R2  Roles and databases that the spec does not name are left alone; `dropped` ones end up absent.
 *   R3  The platform's own roles and databases are never altered or dropped, whatever the spec says.
 *   R4  Steps are in an order that works: the group, roles, databases; then what is dropped, databases before roles, and of a role
 *       what it leaves behind in each database before itself. A plan cut short at any step is completed by planning again.
 *   R5  No role of a customer may replicate: a walsender of theirs, physical or logical, that takes the name in
 *       `synchronous_standby_names`, which everybody can read, would acknowledge commits that no quorum holds.
 *   R6  No role of a customer reaches the host: before Postgres 16 whoever has CREATEROLE may grant itself the roles that run programs
 *       and read and write files of the server (`AddRoleMems` in user.c), so nobody has it there.
 *
 * Attributes are not inherited through membership, so every role gets those of `neon_superuser` itself.
 */
import type { ComputeSpec } from '@neon/compute-contract';
import { Refusal } from '@neon/kernel';
import { quoteIdentifier as name, quoteLiteral as literal } from './sql-quote';

/** What `ACCESS_QUERY` answers. */
export interface AccessState {
  readonly roles: readonly ExistingRole[];
  readonly databases: readonly ExistingDatabase[];
}

export interface ExistingRole {
  readonly name: string;
  readonly verifier: string | null;
  /** LOGIN, CREATEDB and BYPASSRLS are on, REPLICATION is off. */
  readonly hasAttributes: boolean;
  readonly createsRoles: boolean;
  readonly isMember: boolean;
  /** It is a member of a role of `HOST_ROLES`. */
  readonly reachesHost: boolean;
}

export interface ExistingDatabase {
  readonly name: string;
  readonly owner: string;
  readonly allowsConnections: boolean;
}

/** One statement to run on its own, outside a transaction, connected to `database`. */
export interface AccessStep {
  readonly database: string;
  readonly sql: string;
}

export const PLATFORM_SUPERUSER = 'cloud_admin';
export const CUSTOMER_GROUP = 'neon_superuser';
export const MAINTENANCE_DATABASE = 'postgres';

const PROTECTED_DATABASES = ['postgres', 'template0', 'template1'];
const PROTECTED_ROLES = [PLATFORM_SUPERUSER, CUSTOMER_GROUP, 'public', 'none'];
/** R6. */
const HOST_ROLES = ['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'];

/** R6: from 16 on a role grants only what it has been given with ADMIN OPTION. */
const mayCreateRoles = (pgMajor: number): boolean => pgMajor >= 16;

const attributesOf = (pgMajor: number): string =>
  `CREATEDB ${mayCreateRoles(pgMajor) ? 'CREATEROLE' : 'NOCREATEROLE'} BYPASSRLS NOREPLICATION`;

/**
 * One row, one column `access`: the whole `AccessState` in a single round trip, because it is on the cold path. Functions and
 * operators are those of `pg_catalog`: the session's `search_path` says so.
 */
export const ACCESS_QUERY = `
  SELECT json_build_object(
    'roles', (
      SELECT coalesce(json_agg(json_build_object(
        'name', r.rolname,
        'verifier', r.rolpassword,
        'hasAttributes', r.rolcanlogin AND r.rolcreatedb AND r.rolbypassrls AND NOT r.rolreplication,
        'createsRoles', r.rolcreaterole,
        'isMember', EXISTS (
          SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_authid g ON g.oid = m.roleid
          WHERE m.member = r.oid AND g.rolname = '${CUSTOMER_GROUP}'),
        'reachesHost', EXISTS (
          SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_authid g ON g.oid = m.roleid
          WHERE m.member = r.oid AND g.rolname IN ('${HOST_ROLES.join("', '")}')))), '[]'::json)
      FROM pg_catalog.pg_authid r WHERE r.oid >= 16384),
    'databases', (
      SELECT json_agg(json_build_object(
        'name', d.datname,
        'owner', pg_catalog.pg_get_userbyid(d.datdba),
        -- A database whose DROP was interrupted takes no connections either (datconnlimit -2).
        'allowsConnections', d.datallowconn AND d.datconnlimit <> -2))
      FROM pg_catalog.pg_database d)) AS access`;

type Wanted = Pick<ComputeSpec, 'pgMajor' | 'roles' | 'databases' | 'dropped'>;

export interface AccessPlan {
  readonly wanted: readonly AccessStep[];
  readonly drops: readonly AccessDrop[];
}

/** What removes one role or database. Postgres may refuse it, and nothing else depends on it. */
export interface AccessDrop {
  readonly kind: 'role' | 'database';
  readonly name: string;
  readonly steps: readonly AccessStep[];
}

/** @throws Refusal `SpecRejected` when the spec names what it must not (R3), or an owner that will not exist */
export function planAccess(existing: AccessState, spec: Wanted): AccessPlan {
  const roles = new Map(existing.roles.map((role) => [role.name, role]));
  const databases = new Map(existing.databases.map((database) => [database.name, database]));
  checkSpec(roles, spec);
  const group = planGroup(roles.get(CUSTOMER_GROUP), spec.pgMajor);
  const wantedRoles = spec.roles.flatMap((role) => planRole(roles.get(role.name), role, spec.pgMajor));
  const wantedDatabases = spec.databases.flatMap((database) => planDatabase(databases.get(database.name), database));
  const revoked = existing.roles
    .filter(({ reachesHost }) => reachesHost)
    .map((role) => `REVOKE ${HOST_ROLES.join(', ')} FROM ${name(role.name)}`);
  const statements = [...group, ...wantedRoles, ...wantedDatabases, ...revoked];
  const droppedDatabases = spec.dropped.databases
    .filter((database) => databases.has(database))
    .map((database): AccessDrop => {
      const sql = `DROP DATABASE IF EXISTS ${name(database)} WITH (FORCE)`;
      return { kind: 'database', name: database, steps: [{ database: MAINTENANCE_DATABASE, sql }] };
    });
  return {
    wanted: statements.map((sql) => ({ database: MAINTENANCE_DATABASE, sql })),
    drops: [...droppedDatabases, ...planDroppedRoles(spec, roles, existing.databases)],
  };
}

/** Its attributes are those of whoever sets it as their role. */
function planGroup(existing: ExistingRole | undefined, pgMajor: number): string[] {
  const group = name(CUSTOMER_GROUP);
  if (existing !== undefined)
    return existing.createsRoles === mayCreateRoles(pgMajor) ? [] : [`ALTER ROLE ${group} ${attributesOf(pgMajor)}`];
  const delegated = ['pg_monitor', 'pg_signal_backend', ...(pgMajor >= 16 ? ['pg_create_subscription'] : [])];
  return [
    `CREATE ROLE ${group} NOLOGIN ${attributesOf(pgMajor)}`,
    `GRANT pg_read_all_data, pg_write_all_data TO ${group}`,
    `GRANT ${delegated.join(', ')} TO ${group} WITH ADMIN OPTION`,
  ];
}

function planRole(existing: ExistingRole | undefined, wanted: ComputeSpec['roles'][number], pgMajor: number): string[] {
  const attributes = attributesOf(pgMajor);
  const role = name(wanted.name);
  const password = wanted.verifier === null ? 'PASSWORD NULL' : `PASSWORD ${literal(wanted.verifier)}`;
  if (existing === undefined)
    return [`CREATE ROLE ${role} LOGIN ${attributes} ${password} IN ROLE ${name(CUSTOMER_GROUP)}`];
  const changes = [
    ...(existing.hasAttributes && existing.createsRoles === mayCreateRoles(pgMajor) ? [] : [`LOGIN ${attributes}`]),
    ...(existing.verifier === wanted.verifier ? [] : [password]),
  ];
  return [
    ...(changes.length === 0 ? [] : [`ALTER ROLE ${role} ${changes.join(' ')}`]),
    ...(existing.isMember ? [] : [`GRANT ${name(CUSTOMER_GROUP)} TO ${role}`]),
  ];
}

function planDatabase(existing: ExistingDatabase | undefined, wanted: ComputeSpec['databases'][number]): string[] {
  const database = name(wanted.name);
  if (existing === undefined)
    return [
      `CREATE DATABASE ${database} OWNER ${name(wanted.owner)}`,
      `GRANT ALL PRIVILEGES ON DATABASE ${database} TO ${name(CUSTOMER_GROUP)}`,
    ];
  return existing.owner === wanted.owner ? [] : [`ALTER DATABASE ${database} OWNER TO ${name(wanted.owner)}`];
}

/** Objects of a dropped role go to the platform, its privileges are revoked: in each database, because both are local. */
function planDroppedRoles(
  spec: Wanted,
  roles: ReadonlyMap<string, ExistingRole>,
  databases: readonly ExistingDatabase[],
): AccessDrop[] {
  const present = spec.dropped.roles.filter((role) => roles.has(role));
  const remaining = databases.filter(
    (database) => database.allowsConnections && !spec.dropped.databases.includes(database.name),
  );
  const created = spec.databases.map((database) => database.name);
  const places = [...new Set([...remaining.map((database) => database.name), ...created])];
  return present.map((role) => ({
    kind: 'role',
    name: role,
    steps: [
      ...places.flatMap((database) => [
        { database, sql: `REASSIGN OWNED BY ${name(role)} TO ${name(PLATFORM_SUPERUSER)}` },
        { database, sql: `DROP OWNED BY ${name(role)}` },
      ]),
      { database: MAINTENANCE_DATABASE, sql: `DROP ROLE IF EXISTS ${name(role)}` },
    ],
  }));
}

function checkSpec(roles: ReadonlyMap<string, ExistingRole>, spec: Wanted): void {
  const rejected = [
    ...[...spec.roles.map((role) => role.name), ...spec.dropped.roles].filter(isProtectedRole),
    ...[...spec.databases.map((database) => database.name), ...spec.dropped.databases].filter((database) =>
      PROTECTED_DATABASES.includes(database),
    ),
  ];
  if (rejected.length > 0) throw new Refusal('SpecRejected', `protected names: ${rejected.join(', ')}`, { rejected });
  const ownerless = spec.databases.filter(
    ({ owner }) => !roles.has(owner) && !spec.roles.some((role) => role.name === owner),
  );
  const first = ownerless[0];
  if (first !== undefined)
    throw new Refusal('SpecRejected', `database ${first.name}: its owner ${first.owner} does not exist`);
}

const isProtectedRole = (role: string): boolean => role.startsWith('pg_') || PROTECTED_ROLES.includes(role);
