/**
 * Who keeps the WAL of a run's project: asked for through the control plane as operators ask, and looked at there. And which
 * disks of safekeepers may be lost.
 *
 *   K1  What was asked for last is asked for again until it is accepted; and when one of its disks is lost, since it would wait
 *       for that disk for ever. What was asked for before it, and not accepted by then, is not.
 *   K2  `cannotCommit` says yes only if every set that may be in force lacks its majority. A set may be in force from before
 *       it is asked for until a look that met no request under way finds that what was accepted last is complete. A disk that is
 *       lost is missing where it is surely that one that is a member, and not the next disk of its safekeeper.
 *   K3  `lose` says yes only if every set that may be in force keeps a majority of its disks: what is acknowledged is on a
 *       majority of them, which shares a disk with what is left. A lost disk is missing in each set that may count on it; so it is
 *       until the change is complete that drops it.
 *   K4  A safekeeper that lost its disk is not asked for before the control plane has heard of its next disk.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProjectSafekeepers, SafekeeperList } from '@neon/control-plane-contract';

type Listed = Pick<SafekeeperList['safekeepers'][number], 'id' | 'incarnation'>;

export interface Door {
  list(): Promise<readonly Listed[]>;
  of(projectId: string): Promise<ProjectSafekeepers>;
  set(projectId: string, safekeeperIds: readonly number[]): Promise<void>;
}

type Names = readonly [string, ...string[]];
/** Incarnations by the names of their safekeepers. */
type Disks = ReadonlyMap<string, string>;

/** A set that may be in force. */
interface Candidate {
  readonly disks: Disks;
  /** Else it may count on later disks of the same safekeepers. */
  readonly isSure: boolean;
}

const RETRY_MS = 250;
/** After it a change is asked for in the background: what comes then meets it sooner or later. */
const ACCEPTED_TIMEOUT_MS = 1_000;

export class Members {
  asked = 0;
  accepted = 0;
  /** Disks that were not lost because of K3. */
  keptCount = 0;
  /** Why requests were not accepted, and how many. */
  readonly refusals = new Map<string, number>();
  private possible: readonly Candidate[];
  private wanted: readonly string[] | null = null;
  private asking: Promise<void> | null = null;
  /** A look that began in an earlier one decides nothing. */
  private turn = 0;
  private readonly lost = new Set<string>();
  private readonly emptied = new Set<string>();

  private constructor(
    private readonly door: Door,
    private readonly projectId: string,
    private readonly founders: Disks,
    /** What was reported last; unless it is lost, it is what there is. */
    private disks: Disks,
  ) {
    this.possible = [{ disks: founders, isSure: true }];
  }

  /** Before any disk was lost. */
  static async of(door: Door, projectId: string): Promise<Members> {
    const disks = await reported(door);
    const { safekeeper_ids } = await door.of(projectId);
    return new Members(door, projectId, some(disks, safekeeper_ids.map(nameOf)), disks);
  }

  get lostCount(): number {
    return this.lost.size;
  }

  /** Safekeepers that lost their disk, and are not members since, nor may be. */
  get blank(): readonly string[] {
    return [...this.emptied];
  }

  /** K1. Resolves once it is accepted, or when that takes long. */
  async ask(members: readonly string[]): Promise<void> {
    await Promise.race([this.want(members), sleep(ACCEPTED_TIMEOUT_MS)]);
  }

  /** Nothing is asked for any more. */
  abandon(): void {
    this.wanted = null;
  }

  private want(members: readonly string[]): Promise<void> {
    this.asked += 1;
    this.turn += 1;
    this.wanted = members;
    return (this.asking ??= this.send().finally(() => (this.asking = null)));
  }

  private async send(): Promise<void> {
    for (let sent: readonly string[] | null = null; this.wanted !== null && this.wanted !== sent;) {
      const next: readonly string[] = this.wanted;
      try {
        this.disks = await reported(this.door);
        this.mayCome(next);
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

  /** K2. @throws Error when it must not be asked for yet (K4) */
  private mayCome(members: readonly string[]): void {
    const disks = some(this.disks, members);
    const away = members.filter((member) => this.isLost(disks.get(member)));
    if (away.length > 0) throw new Error('the control plane has not heard of the next disk');
    for (const member of members) this.emptied.delete(member);
    if (!this.possible.some((each) => !each.isSure && isSame(each.disks, disks)))
      this.possible = [...this.possible, { disks, isSure: false }];
  }

  /** Those that are; null while they are not what was asked for last. */
  async look(): Promise<Names | null> {
    const { turn, asking } = this;
    const [disks, { safekeeper_ids, branches }] = await Promise.all([
      reported(this.door),
      this.door.of(this.projectId),
    ]);
    this.disks = disks;
    const [first, ...rest] = safekeeper_ids.map(nameOf);
    if (asking !== null || turn !== this.turn || first === undefined) return null;
    if (!branches.every(({ complete }) => complete)) return null;
    const present: Names = [first, ...rest];
    if (this.wanted !== null && [...present].sort().join() !== [...this.wanted].sort().join()) return null;
    this.possible = branches.map((branch) => ({ disks: this.disksOf(branch), isSure: true }));
    return present;
  }

  private disksOf({ members }: ProjectSafekeepers['branches'][number]): Disks {
    return new Map(
      members.map(({ safekeeper_id, incarnation }) => {
        const name = nameOf(safekeeper_id);
        return [name, incarnation ?? this.founders.get(name) ?? ''];
      }),
    );
  }

  /** What keeps the last change from its end, for people. */
  async unfinished(): Promise<string> {
    const { safekeeper_ids, branches } = await this.door.of(this.projectId);
    const reasons = [...branches.flatMap(({ waiting_for }) => waiting_for), ...this.refusals.keys()];
    return `asked for ${this.wanted?.join(', ') ?? 'nobody'}, accepted ${safekeeper_ids.join(', ')}; ${reasons.join('; ')}`;
  }

  /** K2. */
  cannotCommit(down: readonly string[]): boolean {
    return this.possible.every(({ disks, isSure }) => {
      const up = [...disks].filter(([name, disk]) => !down.includes(name) && !(isSure && this.isLost(disk))).length;
      return 2 * up <= disks.size;
    });
  }

  /** K3. When it says yes, the disk that the safekeeper has must be emptied at once. */
  lose(safekeeper: string): boolean {
    const disk = this.disks.get(safekeeper);
    if (disk === undefined || this.isLost(disk) || !this.possible.every((each) => this.holdsWithout(each, disk))) {
      this.keptCount += 1;
      return false;
    }
    this.turn += 1;
    this.lost.add(disk);
    if (!this.possible.some(({ disks, isSure }) => !isSure && disks.has(safekeeper))) this.emptied.add(safekeeper);
    if (this.wanted?.includes(safekeeper) === true) void this.want([...this.wanted]);
    return true;
  }

  private holdsWithout({ disks }: Candidate, lost: string): boolean {
    const left = [...disks.values()].filter((disk) => disk !== lost && !this.isLost(disk)).length;
    return 2 * left > disks.size;
  }

  private isLost = (disk: string | undefined): boolean => disk === undefined || this.lost.has(disk);
}

const reported = async (door: Door): Promise<Disks> =>
  new Map((await door.list()).map(({ id, incarnation }) => [nameOf(id), incarnation]));

function some(disks: Disks, names: readonly string[]): Disks {
  return new Map(
    names.flatMap((name) => {
      const disk = disks.get(name);
      return disk === undefined ? [] : [[name, disk] as const];
    }),
  );
}

const isSame = (left: Disks, right: Disks): boolean =>
  left.size === right.size && [...left].every(([name, disk]) => right.get(name) === disk);

export const nameOf = (safekeeperId: number): string => `safekeeper-${safekeeperId}`;
const idOf = (name: string): number => Number(name.slice('safekeeper-'.length));

/** `fetch` hides why it failed in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
