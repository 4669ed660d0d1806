/**
 * Where things are: the checkout, the data of this installation ("home"), and who owns what.
 *
 * Home is `NEON_HOME`, else `.neon/` in the checkout. As root, Postgres runs as an unprivileged user that must be able to
 * reach its files: when the checkout lies in a folder closed to others (such as /root), home is under /var/lib/neon, and
 * `reachable` puts a copy of what Postgres must read there.
 */
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Distribution, type PostgresUser, postgresUser } from '@neon/postgres-server';

export interface Home {
  readonly checkout: string;
  readonly directory: string;
  readonly user: PostgresUser | null;
}

const OTHERS_MAY_ENTER = 0o001;

export function openHome(given = process.env['NEON_HOME']): Home {
  const checkout = resolve(__dirname, '../../..');
  const user = postgresUser();
  const directory = given ?? (user === null || isOpen(checkout) ? join(checkout, '.neon') : privateHome(checkout));
  mkdirSync(directory, { recursive: true });
  if (user !== null) chmodSync(directory, 0o711);
  return { checkout, directory: resolve(directory), user };
}

const privateHome = (checkout: string): string => join('/var/lib/neon', uniqueName(checkout));

/** A name for what is made of a path: other paths may end alike. */
const uniqueName = (path: string): string =>
  `${basename(path)}-${createHash('sha256').update(path).digest('hex').slice(0, 8)}`;

/** Whether everyone may enter `path` and every folder above it. */
function isOpen(path: string): boolean {
  if ((statSync(path).mode & OTHERS_MAY_ENTER) === 0) return false;
  return dirname(path) === path || isOpen(dirname(path));
}

/** `path`, or a copy of it in home when Postgres' user could not reach it. */
export function reachable(home: Home, path: string): string {
  if (home.user === null || isOpen(dirname(path))) return path;
  const copy = join(home.directory, 'shared', uniqueName(path));
  const stale = !existsSync(copy) || statSync(copy).mtimeMs < statSync(path).mtimeMs;
  if (stale) cpSync(path, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  return copy;
}

export const reachableDistribution = (home: Home, distribution: Distribution): Distribution => ({
  ...distribution,
  directory: reachable(home, distribution.directory),
});

/** A folder in home, made when it is not there. */
export function folder(home: Home, name: string, mode = 0o755): string {
  const path = join(home.directory, name);
  mkdirSync(path, { recursive: true, mode });
  return path;
}
