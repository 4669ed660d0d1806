/** From an installation to running services: ports that are free, templates, then every process in its order; and back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureTemplate } from '@neon/postgres-server';
import { DEFAULT_PORTS, type PortName, type Settings, freePort, isFree, readSettings, writeSettings } from './config';
import type { Home } from './home';
import { type Installation, type InstallationOptions, openInstallation } from './installation';
import { CommandFailure, say, step } from './progress';
import { waitHealthy } from './stack/health';
import { ensureMetadataCluster, ensureMetadataDatabase } from './stack/metadata';
import { pidOf, start, stop } from './stack/processes';
import type { Service } from './stack/service';
import { COMPUTE_HOSTS, metadataAddress, publishCa, templatesDir } from './stack/services';

const START_ATTEMPTS = 20;
const RETRY_MS = 500;
const PORT_ATTEMPTS = 5;
const PORT_TAKEN = /EADDRINUSE|address already in use/i;

export interface StartOptions {
  readonly apiPort?: number;
  readonly proxyPort?: number;
  readonly computeHosts?: number;
}

/** Another program may take a port between the look at it and its use: then everything starts again with other ports. */
export async function startWithFreePorts(
  where: Omit<InstallationOptions, 'settings'> & { readonly home: Home },
  options: StartOptions,
): Promise<Installation> {
  for (let attempt = 1; ; attempt++) {
    const installation = await openInstallation({ ...where, settings: await chooseSettings(where.home, options) });
    await stopExtraHosts(installation);
    try {
      await startAll(installation);
      return installation;
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !(error instanceof CommandFailure) || !PORT_TAKEN.test(error.message))
        throw error;
      say('  ! a port was taken meanwhile: choosing again');
      await stopAll(installation);
    }
  }
}

/** What is asked for now over what was asked for before; a port that somebody else holds is replaced by a free one. */
async function chooseSettings(home: Home, options: StartOptions): Promise<Settings> {
  const before = readSettings(home);
  const ports: Record<PortName, number> = { ...before.ports };
  if (options.apiPort !== undefined) ports.api = options.apiPort;
  if (options.proxyPort !== undefined) ports.proxy = options.proxyPort;
  for (const name of Object.keys(DEFAULT_PORTS) as PortName[]) {
    if (pidOf(home, serviceOfPort(name)) !== null || (await isFree(ports[name]))) continue;
    const free = await freePort(ports[name] + 1, new Set(Object.values(ports)));
    say(`  ! port ${ports[name]} (${name}) is taken by another program: using ${free}`);
    ports[name] = free;
  }
  const settings = { ...before, ports, computeHosts: options.computeHosts ?? before.computeHosts };
  writeSettings(home, settings);
  return settings;
}

/** Compute hosts beyond the number asked for end; what ran on them starts elsewhere at the next connect. */
async function stopExtraHosts({ home, stack }: Installation): Promise<void> {
  for (const id of COMPUTE_HOSTS.slice(stack.computeHosts)) await stop(home, `compute-${id}`, 'SIGTERM');
}

function serviceOfPort(name: PortName): string {
  if (name === 'api') return 'control-plane';
  const numbered = /^(safekeeper|compute)-\d/.exec(name);
  return numbered?.[0] ?? name.replace(/-(http|pages)$/, '');
}

async function startAll({ home, stack, services }: Installation): Promise<void> {
  const ensure = (service: Service): void => void (pidOf(home, service.name) ?? start(home, service));
  const named = (name: string): Service[] => services.filter((service) => service.name === name);
  await step('preparing Postgres templates', async () => {
    await Promise.all(stack.distributions.map((each) => ensureTemplate(templatesDir(home), each, home.user)));
    await ensureMetadataCluster(home, stack.distribution, stack.secrets.metadataPassword);
  });
  await step('starting the message bus and the metadata database', async () => {
    named('nats').forEach(ensure);
    await Promise.all([
      ...named('nats').map((service) => waitHealthy(home, service)),
      ...named('metadata').map((service) => startPersistently(home, service)),
    ]);
    await ensureMetadataDatabase(metadataAddress(stack));
  });
  await step('starting safekeepers, pageserver, compute host, control plane and proxy', async () => {
    services.forEach(ensure);
    await Promise.all(services.map((service) => waitHealthy(home, service)));
    publishCa(home);
  });
}

/** A Postgres whose postmaster was killed leaves backends that end a moment later; until then a new one refuses to start. */
export async function startPersistently(home: Home, service: Service): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    if (pidOf(home, service.name) === null) start(home, service);
    try {
      return await waitHealthy(home, service);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/** Clients first. */
export async function stopAll({ home, services }: Installation): Promise<void> {
  for (const service of [...services].reverse()) await stop(home, service.name, service.stopSignal);
}
