/**
 * Who changes the membership in the simulated world: the store that compares and swaps, and drivers around the real
 * `MembershipChange`, which come and go, ask twice, hear late, and run into one another.
 */
import {
  type ChangeEffect,
  type ChangeInput,
  type ListedMembership,
  type Member,
  MembershipChange,
} from '@neon/consensus';
import { unreachable } from '@neon/kernel';
import type { Scheduler } from '../scheduler';
import type { SeededRandom } from '../seeded-random';
import type { Checker } from './checker';
import type { Mutant } from './mutant';
import type { ManagementAnswer, ManagementRequest, SafekeeperNode } from './safekeeper-node';

const TICK_MAX_MS = 60;

/** How requests travel: each way takes a while, may fail, and a request may arrive twice, the second time very late. */
export interface RequestProfile {
  readonly delayMaxMs: number;
  readonly lossRate: number;
  readonly repeatRate: number;
}

export const LATE_MAX_MS = 600;

export interface DriverWorld {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly checker: Checker;
  readonly mutant: Mutant;
  readonly store: MembershipStore;
  readonly requests: { readonly current: RequestProfile };
  readonly node: (id: Member['safekeeperId']) => SafekeeperNode | undefined;
}

export class MembershipStore {
  constructor(
    private readonly checker: Checker,
    private stored: ListedMembership,
  ) {
    checker.onStored(stored);
  }

  get membership(): ListedMembership {
    return this.stored;
  }

  replace(membership: ListedMembership): void {
    if (membership.generation !== this.stored.generation + 1) return;
    this.stored = membership;
    this.checker.onStored(membership);
  }
}

export class DriverNode {
  private state: MembershipChange;
  private isAlive = true;
  private isDoneNow = false;

  constructor(
    private readonly world: DriverWorld,
    wanted: readonly Member[],
    private readonly crashRate: number,
  ) {
    const { state, effects } = MembershipChange.start(wanted);
    this.state = state;
    this.perform(effects);
    this.tickSoon();
  }

  /** A quorum of the wanted members goes by the wanted membership. */
  get isDone(): boolean {
    return this.isDoneNow;
  }

  get isRunning(): boolean {
    return this.isAlive;
  }

  crash(): void {
    this.isAlive = false;
  }

  private tickSoon(): void {
    this.world.scheduler.after(this.world.random.unit() * TICK_MAX_MS, () => {
      if (!this.isAlive) return;
      this.feed({ kind: 'tick' });
      this.tickSoon();
    });
  }

  private feed(input: ChangeInput): void {
    if (!this.isAlive) return;
    const { mutant } = this.world;
    const { state, effects } =
      mutant.driver?.(this.state, input, MembershipChange.step) ?? MembershipChange.step(this.state, input);
    this.state = state;
    this.perform(effects);
  }

  private perform(effects: readonly ChangeEffect[]): void {
    for (const effect of effects) {
      if (this.world.random.chance(this.crashRate)) return this.crash();
      this.performOne(effect);
    }
  }

  private performOne(effect: ChangeEffect): void {
    const { store } = this.world;
    switch (effect.kind) {
      case 'read':
        return this.travel(() => this.hearStored());
      case 'store':
        return this.travel(() => {
          store.replace(effect.membership);
          this.hearStored();
        });
      case 'configure': {
        const { member, membership, minTerm } = effect;
        return this.ask(member, { kind: 'configure', incarnation: member.incarnation, membership, minTerm });
      }
      case 'seed': {
        const { member, membership, donor } = effect;
        return this.ask(member, { kind: 'seed', incarnation: member.incarnation, membership, donor });
      }
      case 'done':
        this.isDoneNow = true;
        return;
      default:
        return unreachable(effect);
    }
  }

  private hearStored(): void {
    const { membership } = this.world.store;
    this.travel(() => this.feed({ kind: 'stored', membership }));
  }

  private ask(member: Member, request: ManagementRequest): void {
    const node = this.world.node(member.safekeeperId);
    this.travel(() => node?.handle(request, (answer) => this.travel(() => this.hear(member, answer))));
  }

  private hear(member: Member, answer: ManagementAnswer): void {
    if (answer.kind === 'position') this.feed({ kind: 'answered', member, position: answer.position });
    if (answer.kind === 'absent') this.feed({ kind: 'absent', member });
  }

  private travel(arrive: () => void): void {
    const { random, scheduler, requests } = this.world;
    const { delayMaxMs, lossRate, repeatRate } = requests.current;
    if (random.chance(lossRate)) return;
    scheduler.after(random.unit() * delayMaxMs, arrive);
    if (random.chance(repeatRate)) scheduler.after(random.unit() * LATE_MAX_MS, arrive);
  }
}
