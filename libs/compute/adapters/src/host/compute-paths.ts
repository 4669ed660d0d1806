/**
 * Where one compute's files are: `<data>/computes/<computeId>/{data,arena,postgres.log}` and its sockets.
 *
 * A Unix socket's name has at most 107 bytes, and Postgres adds `/.s.PGSQL.<port>`; when the natural place is too deep
 * the sockets go to a directory of their own, named by a hash, below `runDir`.
 */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Refusal } from '@neon/kernel';

export interface ComputePaths {
  readonly root: string;
  readonly data: string;
  readonly arena: string;
  readonly log: string;
  readonly sockets: string;
  readonly pagesSocket: string;
}

const SOCKET_NAME_MAX = 107;
const LONGEST_SOCKET = '/.s.PGSQL.65535.lock';

export const computesDir = (dataDir: string): string => join(resolve(dataDir), 'computes');

export const sparesDir = (dataDir: string): string => join(resolve(dataDir), 'spares');

export const startPagesDir = (dataDir: string): string => join(resolve(dataDir), 'start-pages');

/** @throws Refusal `SpecRejected` when the id cannot be a directory's name */
export function computePaths(dataDir: string, runDir: string | undefined, computeId: string): ComputePaths {
  if (!/^[a-z0-9][a-z0-9_-]{0,99}$/i.test(computeId))
    throw new Refusal('SpecRejected', `not a compute id: ${JSON.stringify(computeId)}`);
  const root = join(computesDir(dataDir), computeId);
  const sockets = socketsDir(root, runDir);
  return {
    root,
    data: join(root, 'data'),
    arena: join(root, 'arena'),
    log: join(root, 'postgres.log'),
    sockets,
    pagesSocket: join(sockets, 'pages'),
  };
}

function socketsDir(root: string, runDir: string | undefined): string {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const places = [
    ...(runDir === undefined ? [join(root, 'sockets')] : []),
    join(resolve(runDir ?? tmpdir()), `neon-${name}`),
    join(tmpdir(), `neon-${name}`),
  ];
  const fitting = places.find((place) => Buffer.byteLength(place + LONGEST_SOCKET) <= SOCKET_NAME_MAX);
  if (fitting === undefined)
    throw new Refusal('StartFailed', `no place short enough for sockets: ${places.join(', ')}`);
  return fitting;
}
