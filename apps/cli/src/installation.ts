/** The installation a command works on: home, ports, keys, the stack made of them. */
import { readFileSync } from 'node:fs';
import { distributionOf, findDistributions, packagedPostgres } from '@neon/postgres-server';
import { Api } from './api';
import { type Settings, readSettings } from './config';
import { type Home, openHome, reachable } from './home';
import { which } from './prerequisites';
import { CommandFailure } from './progress';
import { type Secrets, ensureSecrets } from './secrets';
import { pidOf } from './stack/processes';
import type { Service } from './stack/service';
import { type Stack, caFile, servicesOf } from './stack/services';

/** The Postgres major of new projects and of the metadata database. */
export const DEFAULT_MAJOR = 17;

export interface Installation {
  readonly home: Home;
  readonly stack: Stack;
  readonly services: readonly Service[];
  readonly api: Api;
  readonly apiKey: string;
  readonly caFile: string;
}

export async function openInstallation(given?: Settings): Promise<Installation> {
  const home = openHome();
  const secrets: Secrets = await ensureSecrets(home);
  const natsServer = which('nats-server');
  if (natsServer === null) throw new CommandFailure('nats-server is not installed: run ./neon up first');
  const found = distributionOf(findDistributions(packagedPostgres(home.checkout)), DEFAULT_MAJOR);
  const distribution = { ...found, directory: reachable(home, found.directory) };
  const stack: Stack = { home, ...(given ?? readSettings(home)), secrets, distribution, natsServer };
  const apiKey = readFileSync(secrets.apiKeyFile, 'utf8');
  const api = new Api(`http://127.0.0.1:${stack.ports.api}/api/v2`, apiKey);
  return { home, stack, services: servicesOf(stack), api, apiKey, caFile: caFile(home) };
}

/** The installation, for commands that talk to it. @throws CommandFailure when its API does not run */
export async function openRunningInstallation(): Promise<Installation> {
  const installation = await openInstallation();
  if (pidOf(installation.home, 'control-plane') === null) {
    throw new CommandFailure(`nothing runs in ${installation.home.directory}: run ./neon up first`);
  }
  return installation;
}
