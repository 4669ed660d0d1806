/**
 * Has what former members still hold of their branches removed.
 *
 *   F1  A former member is told to remove a branch only when everybody in the membership that is stored goes by it, it is settled, and
 *       readers of the WAL know: whoever drives changes says so with `complete`, and the store is asked again before each request.
 *   F2  Nobody waits for it: it is no part of a change (`errands.ts`).
 *   F3  What was confirmed is recorded (Y3). Nothing else needs to be: a process that begins anew is told of all that is complete.
 */
import { Member, type SettledMembership } from '@neon/consensus';
import type { CommandHandler } from '@neon/event-sourcing';
import type { Clock } from '@neon/kernel';
import type { BranchAddress } from '../branch/branch-storage';
import { SERVICE } from '../operation/operations';
import type { Acceptors } from './acceptors';
import { Errands } from './errands';
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

export class FormerMembers {
  private readonly errands: Errands<FormerMember>;

  constructor(private readonly options: FormerMembersOptions) {
    const { clock, safekeepers, onFault } = options;
    this.errands = new Errands<FormerMember>({
      clock,
      keyOf,
      isAlive: ({ member }) => safekeepers.isAlive(member.safekeeperId),
      run: (left) => this.removeFrom(left),
      onFault,
    });
  }

  /** Those that could be asked, and have not confirmed yet. */
  get count(): number {
    return this.errands.count;
  }

  /** F1: everybody in the membership of that generation goes by it. */
  async complete(address: BranchAddress, generation: number): Promise<void> {
    const state = await this.stateOf(address);
    const former = isSettled(state, generation) ? state.former : [];
    this.errands.retain((each) => each.address.branchId !== address.branchId || Member.isIn(former, each.member));
    for (const member of former) this.errands.add({ address, member, generation });
  }

  /** Of branches that are no more nothing is asked: their deletion has been. */
  keep(isPresent: (branchId: string) => boolean): void {
    this.errands.retain(({ address }) => isPresent(address.branchId));
  }

  /** F2. */
  look(): Promise<void> {
    return this.errands.look();
  }

  private async removeFrom(left: FormerMember): Promise<void> {
    if (await this.remove(left)) this.options.onRemoved(left);
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
}

const isSettled = (
  state: TimelineMembers | null,
  generation: number,
): state is TimelineMembers & { readonly membership: SettledMembership } =>
  state?.membership?.kind === 'settled' && state.membership.generation === generation;

const keyOf = ({ address, member }: FormerMember): string => `${address.branchId} ${Member.key(member)}`;
