/** The installation a command works on: home, ports, keys, the stack made of them. */
import { readFileSync } from 'node:fs';
import { distributionOf, findDistributions, packagedPostgres } from '@neon/postgres-server';
import { Api } from './api';
import { type Settings, readSettings } from './config';
import { type Home, openHome, reachableDistribution } from './home';
import { which } from './prerequisites';
import { CommandFailure } from './progress';
import { type Secrets, ensureSecrets } from './secrets';
import { type Place, THIS_MACHINE } from './stack/place';
import { pidOf } from './stack/processes';
import type { Service } from './stack/service';
import { type Stack, apiUrl, caFile, servicesOf } from './stack/services';

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

export interface InstallationOptions {
  readonly home?: Home;
  readonly settings?: Settings;
  readonly placeOf?: (service: string) => Place;
}

export async function openInstallation({
  home = openHome(),
  settings = readSettings(home),
  placeOf = () => THIS_MACHINE,
}: InstallationOptions = {}): Promise<Installation> {
  const secrets: Secrets = await ensureSecrets(home);
  const natsServer = which('nats-server');
  if (natsServer === null) throw new CommandFailure('nats-server is not installed: run ./neon up first');
  const distributions = findDistributions(packagedPostgres(home.checkout)).map((found) =>
    reachableDistribution(home, found),
  );
  const distribution = distributionOf(distributions, DEFAULT_MAJOR);
  const stack: Stack = { home, ...settings, secrets, distribution, distributions, natsServer, placeOf };
  const apiKey = readFileSync(secrets.apiKeyFile, 'utf8');
  const api = new Api(apiUrl(stack), apiKey);
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
