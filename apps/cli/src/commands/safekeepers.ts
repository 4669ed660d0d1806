/** `./neon safekeepers …`: who keeps the WAL, and changing that while everything runs. */
import { SAFEKEEPER_IDS, readSettings, writeSettings } from '../config';
import { type Installation, openInstallation, openRunningInstallation } from '../installation';
import { CommandFailure, say, step } from '../progress';
import { Safekeepers } from '../safekeepers';
import { waitHealthy } from '../stack/health';
import { pidOf, start, stop } from '../stack/processes';

export interface ChangeOptions {
  /** All projects without it. */
  readonly project?: string;
  readonly wait: boolean;
  readonly timeout: number;
}

const open = async (): Promise<{ installation: Installation; safekeepers: Safekeepers }> => {
  const installation = await openRunningInstallation();
  return { installation, safekeepers: new Safekeepers(installation.api) };
};

export async function listSafekeepers({ json }: { json: boolean }): Promise<void> {
  const { installation, safekeepers } = await open();
  const known = await safekeepers.list();
  const projects = await Promise.all(
    (await installation.api.projects()).map(async ({ id }) => ({ id, ...(await safekeepers.of(id)) })),
  );
  if (json) return say(JSON.stringify({ safekeepers: known, projects }, null, 2));
  for (const { id, alive, incarnation, host, http_port } of known)
    say(`safekeeper ${id}  ${alive ? 'alive' : 'away '}  ${host}:${http_port}  disk ${incarnation}`);
  for (const project of projects) {
    say(`\n${project.id}  safekeepers ${project.safekeeper_ids.join(', ')}`);
    for (const { branch_id, generation, members, new_members, complete, waiting_for } of project.branches) {
      const ids = (set: typeof members): string => set.map((member) => member.safekeeper_id).join(', ');
      const change = new_members === undefined ? '' : ` → ${ids(new_members)}`;
      const state = complete ? '' : `  not complete${waiting_for.length > 0 ? `: ${waiting_for.join('; ')}` : ''}`;
      say(`  ${branch_id}  generation ${generation ?? 1}: ${ids(members)}${change}${state}`);
    }
  }
}

/** One more process of this installation. */
export async function addSafekeeper(): Promise<void> {
  const before = await openRunningInstallation();
  const { home } = before;
  const settings = readSettings(home);
  const id = SAFEKEEPER_IDS.find((each) => !settings.safekeepers.includes(each));
  if (id === undefined) throw new CommandFailure(`this installation runs ${SAFEKEEPER_IDS.length} safekeepers already`);
  writeSettings(home, { ...settings, safekeepers: [...settings.safekeepers, id] });
  const { services, api } = await openInstallation();
  const service = services.find(({ name }) => name === `safekeeper-${id}`);
  if (service === undefined) throw new CommandFailure(`safekeeper ${id} is not part of this installation`);
  await step(`starting safekeeper ${id}`, async () => {
    if (pidOf(home, service.name) === null) start(home, service);
    await waitHealthy(home, service);
    await new Safekeepers(api).reported(id);
  });
  say(`safekeeper ${id} runs, and keeps nothing yet: ./neon safekeepers replace, or set, gives it projects`);
}

/** Stops the process of one that keeps nothing, and starts it no more. What it has in its directory stays there. */
export async function removeSafekeeper(id: number): Promise<void> {
  const { installation, safekeepers } = await open();
  const { home } = installation;
  const settings = readSettings(home);
  const projects = await installation.api.projects();
  for (const project of projects) {
    const { safekeeper_ids, branches } = await safekeepers.of(project.id);
    const keeps = (set: readonly { safekeeper_id: number }[] = []): boolean =>
      set.some(({ safekeeper_id }) => safekeeper_id === id);
    const branch = branches.find(({ members, new_members }) => keeps(members) || keeps(new_members));
    if (safekeeper_ids.includes(id) || branch !== undefined)
      throw new CommandFailure(`safekeeper ${id} keeps project ${project.id}: replace it there first`);
  }
  if ((await safekeepers.list()).some((each) => each.id === id && each.alive)) {
    const names = projects.map((project) => project.id);
    const left = await step(`safekeeper ${id} removes what it kept before`, () => safekeepers.leftWith(id, names));
    if (left.length > 0) say(`it still has WAL of ${left.join(', ')}: that stays in its directory`);
  }
  writeSettings(home, { ...settings, safekeepers: settings.safekeepers.filter((each) => each !== id) });
  await step(`stopping safekeeper ${id}`, () => stop(home, `safekeeper-${id}`, 'SIGTERM'));
}

export async function setSafekeepers(ids: readonly number[], options: ChangeOptions): Promise<void> {
  await change(() => ids, options);
}

/** In the place of one that is lost, or of its lost disk: then both are the same. */
export async function replaceSafekeeper(
  { from, to }: { from: number; to: number },
  options: ChangeOptions,
): Promise<void> {
  await change((ids) => (ids.includes(from) ? ids.map((id) => (id === from ? to : id)) : undefined), options);
}

async function change(
  next: (ids: readonly number[]) => readonly number[] | undefined,
  { project, wait, timeout }: ChangeOptions,
): Promise<void> {
  const { installation, safekeepers } = await open();
  const all = project === undefined ? (await installation.api.projects()).map(({ id }) => id) : [project];
  const changed: string[] = [];
  for (const projectId of all) {
    const ids = next((await safekeepers.of(projectId)).safekeeper_ids);
    if (ids === undefined) continue;
    await safekeepers.set(projectId, ids);
    changed.push(projectId);
  }
  if (changed.length === 0) return say('no project has that safekeeper');
  if (!wait) return say(`asked for in ${changed.length} projects: ./neon safekeepers list shows how far it is`);
  for (const projectId of changed)
    await step(`bringing ${projectId} to its safekeepers`, () => safekeepers.settled(projectId, 1_000 * timeout));
}
