/** `./neon psql [endpoint]` and `./neon logs [service]`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { openInstallation, openRunningInstallation } from '../installation';
import { which } from '../prerequisites';
import { CommandFailure } from '../progress';
import { logFile } from '../stack/processes';

/** Opens psql on an endpoint, by default the first project's; further arguments go to psql. */
export async function psql(endpointId: string | undefined, args: readonly string[]): Promise<void> {
  const { api, caFile } = await openRunningInstallation();
  const program = which('psql');
  if (program === null) throw new CommandFailure('psql is not installed: sudo apt-get install postgresql-client');
  const projects = await api.projects();
  const owners = await Promise.all(
    projects.map(async ({ id }) =>
      (await api.endpoints(id)).some((endpoint) => endpoint.id === endpointId) ? id : null,
    ),
  );
  const projectId = endpointId === undefined ? projects[0]?.id : (owners.find((id) => id !== null) ?? undefined);
  if (projectId === undefined)
    throw new CommandFailure(
      endpointId === undefined ? 'there is no project yet: run ./neon up' : `no endpoint ${endpointId}`,
    );
  const uri = await api.connectionUri(projectId, endpointId === undefined ? {} : { endpointId });
  const env = { ...process.env, PGHOSTADDR: '127.0.0.1', PGSSLROOTCERT: caFile };
  process.exitCode = spawnSync(program, [uri, ...args], { stdio: 'inherit', env }).status ?? 1;
}

/** Shows the end of a service's log and follows it. */
export async function logs(
  name: string | undefined,
  { follow, lines }: { follow: boolean; lines: number },
): Promise<void> {
  const { home, services } = await openInstallation();
  const names = services.map((service) => service.name);
  if (name !== undefined && !names.includes(name))
    throw new CommandFailure(`no service ${name}: one of ${names.join(', ')}`);
  const files = (name === undefined ? names : [name])
    .map((each) => logFile(home, each))
    .filter((file) => existsSync(file));
  if (files.length === 0) throw new CommandFailure('there are no logs yet: run ./neon up');
  process.exitCode =
    spawnSync('tail', ['-n', String(lines), ...(follow ? ['-F'] : []), ...files], { stdio: 'inherit' }).status ?? 1;
}
