/** What a chaos run works on: an installation on machines of its own, and the project that its clients use. */
import { SeededRandom } from '@neon/simulation';
import { SAFEKEEPER_IDS, type SafekeeperId } from '../../config';
import type { Home } from '../../home';
import type { Installation } from '../../installation';
import { CommandFailure, step } from '../../progress';
import { Safekeepers } from '../../safekeepers';
import { type Place, THIS_MACHINE } from '../../stack/place';
import { startWithFreePorts } from '../../startup';
import { type Address, Session, createTables } from './bank';
import { Clients } from './clients';
import type { Disk } from './disk';
import { Figures } from './figures';
import { Injector } from './injector';
import { Journal } from './journal';
import { LagWatch } from './lag';
import { writeMessages, writePages } from './load';
import { Members, nameOf } from './members';
import type { Network } from './network';
import type { Machines } from './stage';
import { TimelineWatch } from './timeline-watch';

/** Three keep the WAL at first; the others are there to take their places, and to make them five. */
export const CHAOS_SAFEKEEPERS: readonly SafekeeperId[] = SAFEKEEPER_IDS.slice(0, 5);

/** Where the command line, its clients, the bus, the metadata database and the control plane are. */
export const OPERATOR = 'operator';
const [firstSafekeeper, ...otherSafekeepers] = CHAOS_SAFEKEEPERS.map(nameOf);
if (firstSafekeeper === undefined) throw new Error('there are safekeepers');
const COMPUTE_HOSTS = ['compute-1', 'compute-2'] as const;
export const MACHINES: Machines = {
  safekeepers: [firstSafekeeper, ...otherSafekeepers],
  computeHosts: COMPUTE_HOSTS,
  all: [OPERATOR, 'proxy', 'pageserver', ...COMPUTE_HOSTS, firstSafekeeper, ...otherSafekeepers],
};

export interface Run {
  readonly home: Home;
  readonly network: Network | null;
  readonly disk: Disk | null;
  readonly fillable: string | null;
  readonly quick: boolean;
  readonly seed: number;
  /** Of the Postgres that clients work on. */
  readonly version: number;
  readonly minutes?: number;
}

export interface Scene {
  readonly installation: Installation;
  readonly address: Address;
  readonly projectId: string;
  readonly endpointId: string;
  readonly timeline: TimelineWatch;
  readonly members: Members;
  readonly lag: LagWatch;
  readonly clients: Clients;
  readonly injector: Injector;
  readonly figures: Figures;
  readonly journal: Journal;
}

/** The metadata database has no other clients than its neighbours, and admits none. */
function placeIn(network: Network | null, service: string): Place {
  if (network === null || service === 'metadata') return THIS_MACHINE;
  return MACHINES.all.includes(service) ? network.placeOn(service) : { ...network.placeOn(OPERATOR), launcher: [] };
}

export async function setScene({ home, network, disk, seed, version }: Run): Promise<Scene> {
  const placeOf = (service: string): Place => placeIn(network, service);
  const installation = await startWithFreePorts({ home, placeOf }, { computeHosts: MACHINES.computeHosts.length });
  const projectId = await step('creating a project', () => installation.api.createProject('chaos', { major: version }));
  const [endpoint] = await installation.api.endpoints(projectId);
  if (endpoint === undefined) throw new CommandFailure('the project has no endpoint');
  const uri = await installation.api.connectionUri(projectId);
  const address = { host: placeOf('proxy').host, uri, caFile: installation.caFile };
  await step('opening the bank', () => withSession(address, createTables));
  const members = await membersOf(installation, projectId);
  const site = {
    installation,
    network,
    disk,
    members,
    writeMessages: (over: AbortSignal): Promise<void> => writeMessages(address, over),
    writePages: (over: AbortSignal): Promise<void> => writePages(address, over),
  };
  const figures = new Figures();
  return {
    installation,
    address,
    projectId,
    endpointId: endpoint.id,
    timeline: await TimelineWatch.of(installation, endpoint.id),
    members,
    lag: new LagWatch(installation),
    clients: new Clients(address, new SeededRandom(seed + 2), figures),
    injector: new Injector(site, new SeededRandom(seed + 1)),
    figures,
    journal: new Journal(home.directory),
  };
}

async function membersOf({ api }: Installation, projectId: string): Promise<Members> {
  const safekeepers = new Safekeepers(api);
  for (const id of CHAOS_SAFEKEEPERS) await safekeepers.reported(id);
  return Members.of(safekeepers, projectId);
}

export async function withSession<T>(address: Address, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await Session.open(address);
  return use(session).finally(() => session.close());
}
