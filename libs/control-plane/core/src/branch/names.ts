/**
 * Names of roles and databases.
 *
 *   N1  At most 63 bytes of UTF-8, at least one character, no control characters.
 *   N2  Roles: none of the platform's or Postgres' own. Databases: none of the cluster's own.
 */
import { Refusal } from '@neon/kernel';

/** NAMEDATALEN - 1. */
const NAME_BYTES_MAX = 63;
const PROTECTED_ROLES = new Set(['postgres', 'neon_superuser', 'cloud_admin', 'zenith_admin', 'public', 'none']);
const PROTECTED_DATABASES = new Set(['postgres', 'template0', 'template1']);

export function assertRoleName(name: string): void {
  assertName(name, 'role');
  if (name.startsWith('pg_') || PROTECTED_ROLES.has(name))
    throw new Refusal('NameReserved', `role name is reserved: ${name}`);
}

export function assertDatabaseName(name: string): void {
  assertName(name, 'database');
  if (PROTECTED_DATABASES.has(name)) throw new Refusal('NameReserved', `database name is reserved: ${name}`);
}

function assertName(name: string, what: string): void {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name.length === 0 || utf8Size(name) > NAME_BYTES_MAX || /[\u0000-\u001f\u007f]/.test(name))
    throw new Refusal('NameInvalid', `${what} name must have 1 to ${NAME_BYTES_MAX} bytes and no control characters`);
}

const utf8Size = (text: string): number => new TextEncoder().encode(text).length;
