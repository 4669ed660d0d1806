/**
 * A chaos run: an installation, clients, faults, and after each round of them the question whether all is as it must be.
 *
 *   R1  Every acknowledged transfer is there once, none that failed is, and the total is what it was (`ledger.ts`).
 *   R2  Each register's history is linearizable (`register-history.ts`).
 *   R3  While no set of safekeepers that may be in force has a majority, nothing is acknowledged that began meanwhile.
 *   R4  After the faults of a round the last change of members completes, every client is served again, every member and the
 *       pageserver catch up, and nobody else has anything of the timeline.
 *   R5  Safekeepers hold the same committed WAL, on a quorum of the members, and one that lost its disk nothing that it was not
 *       given since (`storage-state.ts`); the pageserver holds the compute's pages.
 *   R6  No process ends that nobody killed, and none says that a promise was broken.
 *   R7  A compute that starts is elected by the members, and by nobody who was one (`elections.ts`).
 *   R8  The pageserver is never further behind than writers are let (`lag.ts`).
 *
 * Each round ends with a compute that starts cold, so what is audited comes from storage alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Installation } from '../../installation';
import { CommandFailure, say, step } from '../../progress';
import { isHealthy } from '../../stack/health';
import { stopAll } from '../../startup';
import { comparePages } from '../pages';
import { addRegisters } from './bank';
import { judgeElection } from './elections';
import { type Fault, describe } from './fault';
import type { Members } from './stage';
import { MACHINES, type Run, type Scene, setScene, withSession } from './scene';
import { type ScheduleOptions, schedule } from './schedule';
import { until } from './timeline-watch';
import { auditRound, promisesBroken } from './verdict';

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

export async function runInside(run: Run): Promise<void> {
  say(`Postgres ${run.version}, seed ${run.seed}`);
  const scene = await setScene(run);
  const { journal, injector, lag, installation } = scene;
  const durationMs = run.quick ? QUICK_MS : (run.minutes ?? MINUTES_DEFAULT) * 60_000;
  const roundCount = Math.max(1, Math.round(durationMs / ROUND_MS));
  const problems: string[] = [];
  for (let round = 0; round < roundCount && problems.length === 0; round++) {
    say(`round ${round + 1} of ${roundCount}`);
    const options = { members: await settledMembers(scene), durationMs: durationMs / roundCount };
    problems.push(...(await playRound(scene, round, schedule(run.seed + round, scheduleOptions(run, options)))));
  }
  if (problems.length === 0) problems.push(...(await pagesDiffer(scene)));
  await step('stopping everything', () => stopAll(installation));
  problems.push(...injector.problems, ...lag.problems, ...promisesBroken(run.home));
  say();
  for (const line of journal.summary(scene)) say(line);
  say(`seed ${run.seed}: ${problems.length === 0 ? 'nothing was lost, nothing contradicts' : 'NOT AS PROMISED'}`);
  for (const problem of problems) journal.note(`PROBLEM ${problem}`);
  if (problems.length > 0) throw new CommandFailure(problems.slice(0, 20).join('\n'));
}

const scheduleOptions = (
  run: Run,
  { members, durationMs }: { readonly members: Members; readonly durationMs: number },
): ScheduleOptions => ({
  machines: MACHINES,
  members,
  durationMs,
  ...(run.quick ? FAULTS.quick : FAULTS.full),
  canCut: run.network !== null,
  fillable: run.fillable,
});

/** R4: once the change that was asked for last is complete. @throws CommandFailure with what it waits for */
async function settledMembers({ members }: Scene): Promise<Members> {
  let settled: Members | null = null;
  const look = async (): Promise<boolean> => (settled = await members.look().catch(() => null)) !== null;
  await until('the last change of members is complete', look, RECOVERY_TIMEOUT_MS).catch(async (error: unknown) => {
    throw new CommandFailure(`${messageOf(error)}: ${await members.unfinished()}`);
  });
  if (settled === null) throw new Error('members are settled');
  return settled;
}

/** Faults, recovery, audit. @returns what is wrong */
async function playRound(scene: Scene, round: number, faults: readonly Fault[]): Promise<string[]> {
  const { clients, address, members, journal } = scene;
  const [firstKey, ...otherKeys] = Array.from({ length: KEYS_PER_ROUND }, (_, index) => round * KEYS_PER_ROUND + index);
  if (firstKey === undefined) throw new Error('a round has registers');
  const keys = [firstKey, ...otherKeys] as const;
  await withSession(address, (session) => addRegisters(session, keys));
  clients.start(CLIENTS, keys);
  const watching = setInterval(() => watch(scene), WATCH_MS);
  const showing = setInterval(() => say(journal.progress(scene)), PROGRESS_MS);
  try {
    await inject(scene, faults);
    const present = await recover(scene);
    await clients.stop();
    return [...clients.problems, ...(await judge(scene, present))];
  } catch (error) {
    return [...clients.problems, `the round did not end: ${messageOf(error)}`];
  } finally {
    members.abandon();
    clients.abandon();
    clearInterval(watching);
    clearInterval(showing);
  }
}

/** What a control plane or host that is down does not tell is told later. */
function watch({ injector, members, lag }: Scene): void {
  injector.watch();
  void lag.look();
  members.look().catch(() => undefined);
}

/** R4. */
async function recover(scene: Scene): Promise<Members> {
  const { clients, timeline, installation, journal } = scene;
  const healedAt = clients.now();
  journal.note('all faults are over');
  return step('recovering', async () => {
    await until('every service is well', () => allHealthy(installation), RECOVERY_TIMEOUT_MS);
    const members = await settledMembers(scene);
    journal.note(`members are ${members.join(', ')}`);
    await until('every client is served', () => clients.allServedSince(healedAt), RECOVERY_TIMEOUT_MS);
    await timeline.membersCaughtUp(members, RECOVERY_TIMEOUT_MS);
    await timeline.othersHaveNothing(members, RECOVERY_TIMEOUT_MS);
    return members;
  });
}

/** R1, R2, R4, R5, R7, while no client is there. */
async function judge(scene: Scene, members: Members): Promise<string[]> {
  const { clients, figures, timeline, address, installation, projectId, endpointId } = scene;
  await step('suspending the compute', () => installation.api.suspend(projectId, endpointId));
  await step('waiting for every member', () => timeline.membersCaughtUp(members, RECOVERY_TIMEOUT_MS));
  const problems = await step('comparing the safekeepers', () => timeline.compare(members, scene.members.blank));
  await step('waiting for the pageserver', () => timeline.pageserverCaughtUp(members, RECOVERY_TIMEOUT_MS));
  const before = await timeline.terms(members);
  const audited = await step('auditing on a compute that starts cold', () =>
    withSession(address, (session) => auditRound(session, clients, figures)),
  );
  return [...problems, ...audited, ...judgeElection(before, await timeline.terms(members))];
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const allHealthy = async ({ services }: Installation): Promise<boolean> =>
  (await Promise.all(services.map(isHealthy))).every(Boolean);

async function inject(scene: Scene, faults: readonly Fault[]): Promise<void> {
  const { injector, clients, members, figures, journal } = scene;
  const startedMs = performance.now();
  const waitUntil = (atMs: number): Promise<void> => sleep(Math.max(0, startedMs + atMs - performance.now()));
  await Promise.all(
    faults.map(async (fault) => {
      await waitUntil(fault.beginMs);
      journal.note(`begin ${describe(fault)}`);
      await injector.begin(fault);
      journal.count(fault);
      const isQuorumLost = members.cannotCommit(fault.downSafekeepers);
      if (isQuorumLost) {
        clients.silentFrom = clients.now();
        figures.silences += 1;
        journal.note(`nothing can be acknowledged: ${describe(fault)}`);
      }
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
