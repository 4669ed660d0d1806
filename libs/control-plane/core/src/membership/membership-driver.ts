/**
 * Carries a change of membership out: `MembershipChange` of `@neon/consensus` over the event store and the safekeepers.
 *
 *   X1  What is durable is the stored membership and what safekeepers hold; a driver that dies anywhere is followed by another
 *       that begins from there.                                                                                          (M1)
 *   X2  One change of a branch is driven at a time in this process; another process at work is harmless, since the store compares
 *       and swaps.                                                                                                 (M1, Y2)
 *   X3  Readers of the WAL are told of everybody in a membership. When they cannot be, the change goes on, and is not complete.
 *   X4  A drive ends: with everybody told, or with what it waits for when a round has brought nothing. Whoever wants it done
 *       drives again later.
 */
import {
  type ChangeEffect,
  type ChangeInput,
  type ListedMembership,
  Member,
  Membership,
  MembershipChange,
} from '@neon/consensus';
import type { CommandHandler } from '@neon/event-sourcing';
import { Corrupt, unreachable } from '@neon/kernel';
import { MEMBERSHIP_GENERATION_FIRST } from '@neon/safekeeper-contract';
import type { BranchAddress } from '../branch/branch-storage';
import { SERVICE } from '../operation/operations';
import type { Acceptors } from './acceptors';
import { safekeeperIdsOf, timelineMembersDecider } from './timeline-members';

export type DriveOutcome =
  /** Everybody in it knows of the membership with that generation; what is stored later is another drive's. */
  | { readonly kind: 'complete'; readonly generation: number }
  /** `isSettled`: the new members have taken over, and some have not heard of it yet. */
  | { readonly kind: 'waiting'; readonly isSettled: boolean; readonly reasons: readonly string[] };

/** Rounds in a row that change nothing, after which a drive ends: what it waits for takes longer than a drive. */
const IDLE_ROUNDS_MAX = 2;
/** A change takes six; many more are a store that has forgotten what safekeepers know, which no driver can mend. */
const ROUNDS_MAX = 40;

export class MembershipDriver {
  private readonly driving = new Map<string, Promise<DriveOutcome>>();

  constructor(
    private readonly handler: CommandHandler,
    private readonly acceptors: Acceptors,
  ) {}

  /** X2, X4. Those who ask while it is driven already share its outcome. */
  drive(address: BranchAddress, wanted: readonly Member[]): Promise<DriveOutcome> {
    const known = this.driving.get(address.branchId);
    if (known !== undefined) return known;
    const drive = new Drive(address, wanted, { handler: this.handler, acceptors: this.acceptors })
      .run()
      .finally(() => this.driving.delete(address.branchId));
    this.driving.set(address.branchId, drive);
    return drive;
  }
}

interface DriveWorld {
  readonly handler: CommandHandler;
  readonly acceptors: Acceptors;
}

class Drive {
  private state: MembershipChange;
  private effects: readonly ChangeEffect[];
  private isSettled = false;
  private generation = 0;
  /** Since the last tick; the start counts. */
  private hasAdvanced = true;
  private unannounced: string | undefined;
  /** By what was asked, since the last tick. */
  private readonly reasons = new Map<string, string>();

  constructor(
    private readonly address: BranchAddress,
    wanted: readonly Member[],
    private readonly world: DriveWorld,
  ) {
    ({ state: this.state, effects: this.effects } = MembershipChange.start(wanted));
  }

  async run(): Promise<DriveOutcome> {
    let idleRounds = 0;
    for (let round = 0; round < ROUNDS_MAX && idleRounds < IDLE_ROUNDS_MAX; round++) {
      if (this.effects.length === 0) {
        idleRounds = this.hasAdvanced ? 0 : idleRounds + 1;
        this.hasAdvanced = false;
        this.reasons.clear();
        this.take({ kind: 'tick' });
        if (this.effects.length === 0) break;
      }
      await this.performAll();
    }
    if (this.isSettled && this.reasons.size === 0 && this.unannounced === undefined)
      return { kind: 'complete', generation: this.generation };
    const reasons = [...this.reasons.values(), ...(this.unannounced === undefined ? [] : [this.unannounced])];
    return { kind: 'waiting', isSettled: this.isSettled, reasons };
  }

  /** All of one round at once; what answers give rise to is the next. */
  private async performAll(): Promise<void> {
    const due = this.effects;
    this.effects = [];
    await Promise.all(
      due.map((effect) =>
        this.perform(effect).catch((error: unknown) => {
          this.reasons.set(nameOf(effect), `${nameOf(effect)}: ${messageOf(error)}`);
        }),
      ),
    );
  }

  private take(input: ChangeInput): void {
    const { state, effects } = MembershipChange.step(this.state, input);
    if (input.kind !== 'tick' && state !== this.state) this.hasAdvanced = true;
    this.state = state;
    this.effects = [...this.effects, ...effects];
  }

  private async perform(effect: ChangeEffect): Promise<void> {
    const { address } = this;
    const { acceptors } = this.world;
    switch (effect.kind) {
      case 'read':
        return this.stored(await this.read());
      case 'store':
        return this.stored(await this.store(effect.membership));
      case 'configure': {
        const { member, membership, minTerm } = effect;
        const position = await acceptors.configure(address, member, { membership, minTerm });
        return position === 'absent'
          ? this.take({ kind: 'absent', member })
          : this.take({ kind: 'answered', member, position });
      }
      case 'seed': {
        const { member, membership, donor } = effect;
        await acceptors.seed(address, member, { membership, donor });
        this.hasAdvanced = true;
        return;
      }
      case 'done':
        this.isSettled = true;
        return;
      default:
        return unreachable(effect);
    }
  }

  /** X3. */
  private async stored(membership: ListedMembership): Promise<void> {
    this.isSettled = false;
    this.generation = membership.generation;
    const ids = new Set(Membership.everyone(membership).map(({ safekeeperId }) => safekeeperId));
    this.unannounced = await this.world.acceptors.announce(this.address, [...ids]).then(
      () => undefined,
      (error: unknown) => `announce: ${messageOf(error)}`,
    );
    this.take({ kind: 'stored', membership });
  }

  /** The first time, the founders are listed. */
  private async read(): Promise<ListedMembership> {
    const { handler, acceptors } = this.world;
    const { branchId } = this.address;
    const state = await handler.state(timelineMembersDecider, branchId);
    if (state === null) throw new Corrupt(`branch ${branchId} has no founders`);
    if (state.membership !== null) return state.membership;
    const founders = await acceptors.founders(this.address, safekeeperIdsOf(state));
    return this.store(Membership.settled(MEMBERSHIP_GENERATION_FIRST, founders));
  }

  /** Y2: what is stored then, whether it is this or another one. */
  private async store(membership: ListedMembership): Promise<ListedMembership> {
    const { branchId } = this.address;
    const { value } = await this.world.handler.execute(SERVICE, (unit) =>
      unit.decide(timelineMembersDecider, branchId, { type: 'StoreMembership', membership }),
    );
    if (value === null || value.membership === null) throw new Corrupt(`branch ${branchId} has no membership`);
    return value.membership;
  }
}

function nameOf(effect: ChangeEffect): string {
  if (effect.kind === 'configure' || effect.kind === 'seed')
    return `${effect.kind} safekeeper ${effect.member.safekeeperId}`;
  return effect.kind;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
