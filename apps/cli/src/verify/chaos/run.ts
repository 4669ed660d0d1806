/**
 * A chaos run: an installation, clients, faults, and after each round of them the question whether all is as it must be.
 *
 *   R1  Every acknowledged transfer is there once, none that failed is, and the total is what it was (`ledger.ts`).
 *   R2  Each register's history is linearizable (`register-history.ts`).
 *   R3  While two of three safekeepers are down, nothing is acknowledged that began meanwhile.
 *   R4  After the faults of a round every client is served again, every safekeeper and the pageserver catch up.
 *   R5  Safekeepers hold the same committed WAL, on a quorum (`storage-state.ts`), and the pageserver the compute's pages.
 *   R6  No process ends that nobody killed, and none says that a promise was broken.
 *
 * Each round ends with a compute that starts cold, so what is audited comes from storage alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@neon/simulation';
import type { Home } from '../../home';
import type { Installation } from '../../installation';
import { CommandFailure, say, step } from '../../progress';
import { isHealthy } from '../../stack/health';
import { type Place, THIS_MACHINE } from '../../stack/place';
import { SAFEKEEPERS_DEFAULT } from '../../config';
import { startWithFreePorts, stopAll } from '../../startup';
import { comparePages } from '../pages';
import { type Address, Session, addRegisters, createTables } from './bank';
import { Clients } from './clients';
import type { Disk } from './disk';
import { Figures } from './figures';
import { Injector } from './injector';
import { Journal } from './journal';
import type { Network } from './network';
import { type Fault, type Machines, type ScheduleOptions, describe, schedule } from './schedule';
import { TimelineWatch, until } from './timeline-watch';
import { auditRound, promisesBroken } from './verdict';

/** Where the command line, its clients, the bus, the metadata database and the control plane are. */
export const OPERATOR = 'operator';
const [firstSafekeeper, ...otherSafekeepers] = SAFEKEEPERS_DEFAULT.map((id) => `safekeeper-${id}`);
if (firstSafekeeper === undefined) throw new Error('there are safekeepers');
const COMPUTE_HOSTS = ['compute-1', 'compute-2'] as const;
export const MACHINES: Machines = {
  safekeepers: [firstSafekeeper, ...otherSafekeepers],
  computeHosts: COMPUTE_HOSTS,
  all: [OPERATOR, 'proxy', 'pageserver', ...COMPUTE_HOSTS, firstSafekeeper, ...otherSafekeepers],
};

const CLIENTS = 8;
const KEYS_PER_ROUND = 6;
const MINUTES_DEFAULT = 5;
const ROUND_MS = 180_000;
const QUICK_MS = 24_000;
const FAULTS = {
  full: { faultMs: { min: 1_000, max: 20_000 }, pauseMs: { min: 500, max: 5_000 } },
  quick: { faultMs: { min: 1_000, max: 3_500 }, pauseMs: { min: 800, max: 2_500 } },
};
const PROGRESS_MS = 5_000;
const WATCH_MS = 500;
const RECOVERY_TIMEOUT_MS = 180_000;

export interface Run {
  readonly home: Home;
  readonly network: Network | null;
  readonly disk: Disk | null;
  readonly fillable: string | null;
  readonly quick: boolean;
  readonly seed: number;
  readonly minutes?: number;
}

interface Scene {
  readonly installation: Installation;
  readonly address: Address;
  readonly projectId: string;
  readonly endpointId: string;
  readonly timeline: TimelineWatch;
  readonly clients: Clients;
  readonly injector: Injector;
  readonly figures: Figures;
  readonly journal: Journal;
}

export async function runInside(run: Run): Promise<void> {
  say(`seed ${run.seed}`);
  const scene = await setScene(run);
  const { journal, injector, figures, installation } = scene;
  const durationMs = run.quick ? QUICK_MS : (run.minutes ?? MINUTES_DEFAULT) * 60_000;
  const roundCount = Math.max(1, Math.round(durationMs / ROUND_MS));
  const problems: string[] = [];
  for (let round = 0; round < roundCount && problems.length === 0; round++) {
    say(`round ${round + 1} of ${roundCount}`);
    const faults = schedule(run.seed + round, scheduleOptions(run, durationMs / roundCount));
    problems.push(...(await playRound(scene, round, faults)));
  }
  if (problems.length === 0) problems.push(...(await pagesDiffer(scene)));
  await step('stopping everything', () => stopAll(installation));
  problems.push(...injector.problems, ...promisesBroken(run.home));
  say();
  for (const line of journal.summary(figures)) say(line);
  say(`seed ${run.seed}: ${problems.length === 0 ? 'nothing was lost, nothing contradicts' : 'NOT AS PROMISED'}`);
  for (const problem of problems) journal.note(`PROBLEM ${problem}`);
  if (problems.length > 0) throw new CommandFailure(problems.slice(0, 20).join('\n'));
}

const scheduleOptions = (run: Run, durationMs: number): ScheduleOptions => ({
  machines: MACHINES,
  durationMs,
  ...(run.quick ? FAULTS.quick : FAULTS.full),
  canCut: run.network !== null,
  fillable: run.fillable,
});

/** The metadata database has no other clients than its neighbours, and admits none. */
function placeIn(network: Network | null, service: string): Place {
  if (network === null || service === 'metadata') return THIS_MACHINE;
  return MACHINES.all.includes(service) ? network.placeOn(service) : { ...network.placeOn(OPERATOR), launcher: [] };
}

async function setScene(run: Run): Promise<Scene> {
  const { home, network, disk, seed } = run;
  const placeOf = (service: string): Place => placeIn(network, service);
  const installation = await startWithFreePorts({ home, placeOf }, { computeHosts: MACHINES.computeHosts.length });
  const projectId = await step('creating a project', () => installation.api.createProject('chaos'));
  const [endpoint] = await installation.api.endpoints(projectId);
  if (endpoint === undefined) throw new CommandFailure('the project has no endpoint');
  const uri = await installation.api.connectionUri(projectId);
  const address = { host: placeOf('proxy').host, uri, caFile: installation.caFile };
  await step('opening the bank', () => withSession(address, createTables));
  const journal = new Journal(home.directory);
  const makeWal = (over: AbortSignal): Promise<void> => fillWithWal(address, over);
  const injector = new Injector({ installation, network, disk, makeWal }, new SeededRandom(seed + 1));
  const figures = new Figures();
  const clients = new Clients(address, new SeededRandom(seed + 2), figures);
  const timeline = await TimelineWatch.of(installation, endpoint.id);
  return { installation, address, projectId, endpointId: endpoint.id, timeline, clients, injector, figures, journal };
}

async function withSession<T>(address: Address, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await Session.open(address);
  return use(session).finally(() => session.close());
}

const WAL_MESSAGE_SIZE = 1024 * 1024;
const WAL_PAUSE_MS = 100;
/** A failure is what the fault is for. */
async function fillWithWal(address: Address, over: AbortSignal): Promise<void> {
  await withSession(address, async (session) => {
    while (!over.aborted) {
      await session.rows("SELECT pg_logical_emit_message(false, 'chaos', repeat('x', $1::int))", [WAL_MESSAGE_SIZE]);
      await sleep(WAL_PAUSE_MS);
    }
  }).catch(() => sleep(WAL_PAUSE_MS));
}

/** Faults, recovery, audit. @returns what is wrong */
async function playRound(scene: Scene, round: number, faults: readonly Fault[]): Promise<string[]> {
  const { clients, injector, timeline, address, installation, projectId, endpointId, journal } = scene;
  const [firstKey, ...otherKeys] = Array.from({ length: KEYS_PER_ROUND }, (_, index) => round * KEYS_PER_ROUND + index);
  if (firstKey === undefined) throw new Error('a round has registers');
  const keys = [firstKey, ...otherKeys] as const;
  await withSession(address, (session) => addRegisters(session, keys));
  clients.start(CLIENTS, keys);
  const watching = setInterval(() => injector.watch(), WATCH_MS);
  const showing = setInterval(() => say(journal.progress(scene)), PROGRESS_MS);
  try {
    await inject(scene, faults);
    const healedAt = clients.now();
    journal.note('all faults are over');
    await step('recovering', async () => {
      await until('every service is well', () => allHealthy(installation), RECOVERY_TIMEOUT_MS);
      await until('every client is served', () => clients.allServedSince(healedAt), RECOVERY_TIMEOUT_MS);
      await timeline.safekeepersCaughtUp(RECOVERY_TIMEOUT_MS);
    });
    await clients.stop();
    await step('suspending the compute', () => installation.api.suspend(projectId, endpointId));
    const problems = await step('comparing the safekeepers', () => timeline.compare());
    await step('waiting for the pageserver', () => timeline.pageserverCaughtUp(RECOVERY_TIMEOUT_MS));
    const audited = await step('auditing on a compute that starts cold', () =>
      withSession(address, (session) => auditRound(session, clients, scene.figures)),
    );
    return [...clients.problems, ...problems, ...audited];
  } catch (error) {
    return [...clients.problems, `the round did not end: ${error instanceof Error ? error.message : String(error)}`];
  } finally {
    clients.abandon();
    clearInterval(watching);
    clearInterval(showing);
  }
}

const allHealthy = async ({ services }: Installation): Promise<boolean> =>
  (await Promise.all(services.map(isHealthy))).every(Boolean);

async function inject({ injector, clients, journal }: Scene, faults: readonly Fault[]): Promise<void> {
  const startedMs = performance.now();
  const waitUntil = (atMs: number): Promise<void> => sleep(Math.max(0, startedMs + atMs - performance.now()));
  await Promise.all(
    faults.map(async (fault) => {
      await waitUntil(fault.beginMs);
      journal.note(`begin ${describe(fault)}`);
      await injector.begin(fault);
      journal.count(fault);
      const isQuorumLost = fault.downSafekeepers.length >= 2;
      if (isQuorumLost) clients.silentFrom = clients.now();
      await waitUntil(fault.endMs);
      if (isQuorumLost) clients.silentFrom = null;
      await injector.end(fault);
      journal.note(`end ${describe(fault)}`);
    }),
  ).finally(() => injector.endAll());
}

async function pagesDiffer({ installation, address, endpointId }: Scene): Promise<string[]> {
  await withSession(address, (session) => session.rows('SELECT 1'));
  const { pages, differences } = await step('comparing every page', () => comparePages(installation, endpointId));
  say(`  ${pages} pages compared, ${differences.length} differences`);
  return differences;
}
