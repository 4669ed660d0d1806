/** Who keeps the WAL of projects, as the command line asks the control plane about it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ProjectSafekeepers, SafekeeperList, type SafekeeperSet } from '@neon/control-plane-contract';
import type { Api } from './api';
import { CommandFailure } from './progress';

const POLL_MS = 200;
/** A safekeeper that has just started says so within two seconds. */
const REPORT_TIMEOUT_MS = 10_000;
/** A former member that runs removes its files within seconds. */
const REMOVAL_TIMEOUT_MS = 20_000;

export class Safekeepers {
  constructor(private readonly api: Api) {}

  async list(): Promise<SafekeeperList['safekeepers']> {
    return SafekeeperList.parse(await this.api.operator('GET', '/safekeepers')).safekeepers;
  }

  async of(projectId: string): Promise<ProjectSafekeepers> {
    return ProjectSafekeepers.parse(await this.api.operator('GET', `/projects/${projectId}/safekeepers`));
  }

  async set(projectId: string, safekeeperIds: readonly number[]): Promise<void> {
    const body: SafekeeperSet = { safekeeper_ids: [...safekeeperIds] };
    await this.api.operator('PUT', `/projects/${projectId}/safekeepers`, body);
  }

  /** @throws CommandFailure with what the change waits for, when it is not complete in time; it goes on all the same */
  async settled(projectId: string, timeoutMs: number): Promise<ProjectSafekeepers> {
    for (const deadline = Date.now() + timeoutMs; ; await sleep(POLL_MS)) {
      const now = await this.of(projectId);
      const open = now.branches.filter(({ complete }) => !complete);
      if (open.length === 0) return now;
      if (Date.now() < deadline) continue;
      const reasons = open.map(
        ({ branch_id, waiting_for }) => `  ${branch_id}: ${waiting_for.join('; ') || 'under way'}`,
      );
      throw new CommandFailure(`not complete yet; it goes on by itself:\n${reasons.join('\n')}`);
    }
  }

  /** Waits a while for a former member to remove what it has. @returns the branches of these projects of which it has something still */
  async leftWith(safekeeperId: number, projectIds: readonly string[]): Promise<readonly string[]> {
    for (const deadline = Date.now() + REMOVAL_TIMEOUT_MS; ; await sleep(POLL_MS)) {
      const branches = (await Promise.all(projectIds.map((id) => this.of(id)))).flatMap((project) => project.branches);
      const left = branches.filter(({ former_members: former = [] }) =>
        former.some(({ safekeeper_id }) => safekeeper_id === safekeeperId),
      );
      if (left.length === 0 || Date.now() > deadline) return left.map(({ branch_id }) => branch_id);
    }
  }

  /** Until the control plane has heard of it. */
  async reported(safekeeperId: number): Promise<void> {
    for (const deadline = Date.now() + REPORT_TIMEOUT_MS; ; await sleep(POLL_MS)) {
      if ((await this.list()).some(({ id, alive }) => id === safekeeperId && alive)) return;
      if (Date.now() > deadline)
        throw new CommandFailure(`safekeeper ${safekeeperId} has not reported to the control plane`);
    }
  }
}
