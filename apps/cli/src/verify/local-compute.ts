/** A compute that runs on this machine, as its operator reaches it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BOOTSTRAP_SUPERUSER } from '@neon/postgres-server';
import { HostStatus } from '@neon/compute-contract';
import { Client } from 'pg';
import type { Installation } from '../installation';
import { CommandFailure } from '../progress';
import { COMPUTE_HOSTS } from '../stack/services';

export interface LocalCompute {
  readonly pid: number;
  readonly dataDirectory: string;
  readonly tenantId: string;
  readonly timelineId: string;
  /** Where it listens for its operator. */
  readonly socket: { readonly host: string; readonly port: number };
  /** A superuser's session over the private socket. */
  withAdmin<T>(database: string, use: (client: Client) => Promise<T>): Promise<T>;
}

/** @throws CommandFailure when that compute does not run here */
export async function computeOf({ home, stack }: Installation, computeId: string): Promise<LocalCompute> {
  const hosts = COMPUTE_HOSTS.slice(0, stack.computeHosts);
  const reports = await Promise.all(
    hosts.map((id) => statusOf(stack.placeOf(`compute-${id}`).host, stack.ports[`compute-${id}-http`])),
  );
  const compute = reports.flat().find((each) => each.computeId === computeId);
  if (compute === undefined) throw new CommandFailure(`no compute of ${computeId} runs on this machine`);
  const { pid, dataDirectory } = postmasterOf(home.directory, computeId);
  const { tenantId, timelineId } = compute;
  const socket = socketOf(dataDirectory);
  return {
    pid,
    dataDirectory,
    tenantId,
    timelineId,
    socket,
    withAdmin: (database, use) => session({ ...socket, database }, use),
  };
}

async function statusOf(host: string, httpPort: number): Promise<HostStatus['computes']> {
  return HostStatus.parse(await (await fetch(`http://${host}:${httpPort}/v1/status`)).json()).computes;
}

function postmasterOf(home: string, computeId: string): { pid: number; dataDirectory: string } {
  const listing = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' });
  for (const line of listing.split('\n')) {
    const match = /^\s*(\d+) \S*bin\/postgres .*?-D (\S+)/.exec(line);
    const dataDirectory = match?.[2];
    if (dataDirectory?.startsWith(home) === true && dataDirectory.includes(`/${computeId}/`))
      return { pid: Number(match?.[1]), dataDirectory };
  }
  throw new CommandFailure(`no Postgres of ${computeId} runs on this machine`);
}

function socketOf(dataDirectory: string): LocalCompute['socket'] {
  // postmaster.pid: pid, data directory, start time, port, socket directory, … (miscadmin.h, LOCK_FILE_LINE_*).
  const lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n');
  return { host: lines[4] ?? '', port: Number(lines[3]) };
}

async function session<T>(
  place: LocalCompute['socket'] & { readonly database: string },
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ ...place, user: BOOTSTRAP_SUPERUSER });
  await client.connect();
  return use(client).finally(() => client.end());
}
