/**
 * Has what former members still hold of their branches removed.
 *
 *   F1  A former member is told to remove a branch only when everybody in the membership that is stored goes by it, it is settled, and
 *       readers of the WAL know: whoever drives changes says so with `complete`, and the store is asked again before each request.
 *   F2  Nobody waits for it: it is no part of a change, requests are at most REMOVALS_AT_ONCE, a safekeeper that does not report is not
 *       asked, and one that failed is asked again after RETRY_MS, for as long as it takes.
 *   F3  What was confirmed is recorded (Y3). Nothing else needs to be: a process that begins anew is told of all that is complete.
 */
import { Member, type SettledMembership } from '@neon/consensus';
import type { CommandHandler } from '@neon/event-sourcing';
import type { Clock } from '@neon/kernel';
import type { BranchAddress } from '../branch/branch-storage';
import { SERVICE } from '../operation/operations';
import type { Acceptors } from './acceptors';
import type { KnownSafekeepers } from './safekeeper-sets';
import { type TimelineMembers, timelineMembersDecider } from './timeline-members';

export interface FormerMembersOptions {
  readonly handler: CommandHandler;
  readonly acceptors: Pick<Acceptors, 'remove'>;
  readonly safekeepers: Pick<KnownSafekeepers, 'isAlive'>;
  readonly clock: Clock;
  readonly onRemoved: (left: FormerMember) => void;
  /** Told again when it is another fault. */
  readonly onFault: (error: unknown, left: FormerMember) => void;
}

/** Who may still hold something, and the generation in which it is not a member. */
export interface FormerMember {
  readonly address: BranchAddress;
  readonly member: Member;
  readonly generation: number;
}

interface Left extends FormerMember {
  readonly dueAt: number;
  readonly fault: string | undefined;
}

/** Files of many gigabytes take a while to remove, and nobody is in a hurry. */
const RETRY_MS = 30_000;
const REMOVALS_AT_ONCE = 4;

export class FormerMembers {
  private readonly left = new Map<string, Left>();

  constructor(private readonly options: FormerMembersOptions) {}

  /** Those that could be asked, and have not confirmed yet. */
  get count(): number {
    return [...this.left.values()].filter((each) => this.isAlive(each)).length;
  }

  /** F1: everybody in the membership of that generation goes by it. */
  async complete(address: BranchAddress, generation: number): Promise<void> {
    const state = await this.stateOf(address);
    const former = isSettled(state, generation) ? state.former : [];
    this.retain((each) => each.address.branchId !== address.branchId || Member.isIn(former, each.member));
    for (const member of former) {
      const key = keyOf({ address, member });
      const known = this.left.get(key);
      this.left.set(key, { address, member, generation, dueAt: known?.dueAt ?? 0, fault: known?.fault });
    }
  }

  /** Of branches that are no more nothing is asked: their deletion has been. */
  keep(isPresent: (branchId: string) => boolean): void {
    this.retain(({ address }) => isPresent(address.branchId));
  }

  /** F2. */
  async look(): Promise<void> {
    const now = this.options.clock.now();
    const due = [...this.left].filter(([, each]) => each.dueAt <= now && this.isAlive(each));
    const next = async (): Promise<void> => {
      for (let entry = due.shift(); entry !== undefined; entry = due.shift()) await this.attempt(...entry);
    };
    await Promise.all(Array.from({ length: REMOVALS_AT_ONCE }, next));
  }

  private async attempt(key: string, left: Left): Promise<void> {
    try {
      const isOver = await this.remove(left);
      // Another membership may have been completed meanwhile.
      if (this.left.get(key)?.generation === left.generation) this.left.delete(key);
      if (isOver) this.options.onRemoved(left);
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== left.fault) this.options.onFault(error, left);
      const known = this.left.get(key);
      if (known !== undefined) this.left.set(key, { ...known, fault, dueAt: this.options.clock.now() + RETRY_MS });
    }
  }

  /** @returns false when the membership is another one by now: its own change tells when it is complete */
  private async remove({ address, member, generation }: FormerMember): Promise<boolean> {
    const { handler, acceptors } = this.options;
    const state = await this.stateOf(address);
    if (!isSettled(state, generation) || !Member.isIn(state.former, member)) return false;
    await acceptors.remove(address, member, state.membership);
    await handler.execute(SERVICE, (unit) =>
      unit.decide(timelineMembersDecider, address.branchId, { type: 'RecordRemoval', member, generation }),
    );
    return true;
  }

  private stateOf = ({ branchId }: BranchAddress): Promise<TimelineMembers | null> =>
    this.options.handler.state(timelineMembersDecider, branchId);

  private isAlive = ({ member }: FormerMember): boolean => this.options.safekeepers.isAlive(member.safekeeperId);

  private retain(isKept: (left: Left) => boolean): void {
    for (const [key, left] of this.left) if (!isKept(left)) this.left.delete(key);
  }
}

const isSettled = (
  state: TimelineMembers | null,
  generation: number,
): state is TimelineMembers & { readonly membership: SettledMembership } =>
  state?.membership?.kind === 'settled' && state.membership.generation === generation;

const keyOf = ({ address, member }: Pick<FormerMember, 'address' | 'member'>): string =>
  `${address.branchId} ${Member.key(member)}`;
