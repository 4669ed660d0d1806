/**
 * Who keeps the WAL of a run's project: asked for through the control plane as operators ask, and looked at there.
 *
 *   K1  What was asked for last is asked for again until it is accepted. What was asked for before it, and not accepted by then,
 *       is not.
 *   K2  `cannotCommit` says yes only if every set that may be in force lacks its majority. A set may be in force from before
 *       it is asked for until a look that met no request under way finds that what was accepted last is complete.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProjectSafekeepers } from '@neon/control-plane-contract';

export interface Door {
  of(projectId: string): Promise<ProjectSafekeepers>;
  set(projectId: string, safekeeperIds: readonly number[]): Promise<void>;
}

type Names = readonly [string, ...string[]];

const RETRY_MS = 250;
/** After it a change is asked for in the background: what comes then meets it sooner or later. */
const ACCEPTED_TIMEOUT_MS = 1_000;

export class Members {
  asked = 0;
  accepted = 0;
  /** Why requests were not accepted, and how many. */
  readonly refusals = new Map<string, number>();
  private possible: (readonly string[])[];
  private wanted: readonly string[] | null = null;
  private asking: Promise<void> | null = null;

  constructor(
    private readonly door: Door,
    private readonly projectId: string,
    /** By their services' names. */
    present: readonly string[],
  ) {
    this.possible = [present];
  }

  /** K1. Resolves once it is accepted, or when that takes long. */
  async ask(members: readonly string[]): Promise<void> {
    this.asked += 1;
    this.possible = [...this.possible, members];
    this.wanted = members;
    this.asking ??= this.send().finally(() => (this.asking = null));
    await Promise.race([this.asking, sleep(ACCEPTED_TIMEOUT_MS)]);
  }

  /** Nothing is asked for any more. */
  abandon(): void {
    this.wanted = null;
  }

  private async send(): Promise<void> {
    for (let sent: readonly string[] | null = null; this.wanted !== null && this.wanted !== sent;) {
      const next: readonly string[] = this.wanted;
      try {
        await this.door.set(this.projectId, next.map(idOf));
        this.accepted += 1;
        sent = next;
      } catch (error) {
        const reason = reasonOf(error);
        this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
        await sleep(RETRY_MS);
      }
    }
  }

  /** Those that are; null while they are not what was asked for last. */
  async look(): Promise<Names | null> {
    const { asked, asking } = this;
    const { safekeeper_ids, branches } = await this.door.of(this.projectId);
    const [first, ...rest] = safekeeper_ids.map(nameOf);
    if (asking !== null || asked !== this.asked || first === undefined) return null;
    if (!branches.every(({ complete }) => complete)) return null;
    const present: Names = [first, ...rest];
    if (this.wanted !== null && [...present].sort().join() !== [...this.wanted].sort().join()) return null;
    this.possible = [present];
    return present;
  }

  /** What keeps the last change from its end, for people. */
  async unfinished(): Promise<string> {
    const { safekeeper_ids, branches } = await this.door.of(this.projectId);
    const reasons = [...branches.flatMap(({ waiting_for }) => waiting_for), ...this.refusals.keys()];
    return `asked for ${this.wanted?.join(', ') ?? 'nobody'}, accepted ${safekeeper_ids.join(', ')}; ${reasons.join('; ')}`;
  }

  /** K2. */
  cannotCommit(down: readonly string[]): boolean {
    return this.possible.every((members) => {
      const up = members.filter((member) => !down.includes(member)).length;
      return 2 * up <= members.length;
    });
  }
}

export const nameOf = (safekeeperId: number): string => `safekeeper-${safekeeperId}`;
const idOf = (name: string): number => Number(name.slice('safekeeper-'.length));

/** `fetch` hides why it failed in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
