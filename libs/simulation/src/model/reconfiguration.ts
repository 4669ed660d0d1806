/** The steps of a model in which memberships meet: connections, whose greetings tell them, and the driver of a change. */
import {
  AcceptorState,
  type ChangeEffect,
  type ListedMembership,
  Member,
  Membership,
  MembershipChange,
  Proposer,
  type ProposerState,
} from '@neon/consensus';
import { Term } from '@neon/kernel';

import { Memo } from './interner';
import {
  type AcceptorOutcome,
  type ModelAcceptor,
  type PartyOptions,
  START_LSN,
  idOf,
  memberOf,
  newAcceptor,
  received,
  stepAcceptor,
  stepProposer,
} from './parties';
import type { Model, ModelSize, ProposerMove, Successor, World } from './world';

/** What a connection that is made again comes to. */
interface Connecting {
  readonly acceptor: number;
  readonly move: ProposerMove;
}

export class Reconfiguration {
  private readonly written: Memo<ProposerMove | undefined>;
  private readonly connections: Memo<Connecting | undefined>;

  constructor(
    private readonly model: Model,
    private readonly size: ModelSize,
    private readonly options: PartyOptions,
  ) {
    this.written = new Memo((proposer) => this.writeOne(proposer));
    this.connections = new Memo((at, acceptor) => this.connect(at, acceptor));
  }

  /** A leader that has recovered writes one entry, which goes out to all that it streams to. */
  write = (proposer: number): ProposerMove | undefined => this.written.get(proposer, 0);

  private writeOne(number: number): ProposerMove | undefined {
    const proposer = this.model.proposers.value(number);
    const { endLsn } = proposer.window;
    if (!Proposer.wantsWal(proposer) || endLsn >= START_LSN + this.size.entries) return undefined;
    const bytes = Uint8Array.of(proposer.term);
    return this.model.move(stepProposer(proposer, [{ kind: 'walAvailable', startLsn: endLsn, bytes }], this.options));
  }

  /**
   * A connection may always break; it matters where something is lost by it, and where the greeting of the next one tells
   * something. A candidate begins again instead.
   */
  reconnect(world: World, p: number, a: number): World | undefined {
    const at = (world.proposers[p] ?? 0) * this.size.acceptors + a;
    const connecting = this.connections.get(at, world.acceptors[a] ?? 0);
    if (connecting === undefined) return undefined;
    const broken = this.model.withoutConnection(world, p, a);
    return this.model.afterProposer(this.model.withAcceptor(broken, a, connecting.acceptor), p, connecting.move);
  }

  private connect(at: number, acceptorNumber: number): Connecting | undefined {
    const { model } = this;
    const a = at % this.size.acceptors;
    const safekeeper = idOf(a);
    const proposer = model.proposers.value(Math.floor(at / this.size.acceptors));
    const acceptor = model.acceptors.value(acceptorNumber);
    if (!this.mayBreak(proposer, acceptor, a)) return undefined;
    const kind = proposer.peers.get(safekeeper)?.kind ?? 'disconnected';
    const closing = kind === 'disconnected' ? [] : [{ kind: 'disconnected' as const, safekeeper }];
    const asking = stepProposer(proposer, [...closing, { kind: 'connected', safekeeper }], this.options);
    const [greeting] = asking.sends;
    if (greeting === undefined) return undefined;
    const greeted = stepAcceptor(acceptor, memberOf(a), received(greeting.message), this.options);
    const answers = greeted.replies.map((message) => ({ kind: 'received' as const, safekeeper, message }));
    const move = model.move(stepProposer(asking.proposer, answers, this.options));
    return { acceptor: model.numberOf(greeted.acceptor), move };
  }

  private mayBreak({ phase, peers, membership }: ProposerState, { state }: ModelAcceptor, a: number): boolean {
    if (phase.kind === 'deposed' || phase.kind === 'collecting') return false;
    if (state.membership.generation !== membership.generation) return true;
    if (phase.kind !== 'leading' || !Membership.includes(membership, memberOf(a))) return false;
    const kind = peers.get(idOf(a))?.kind ?? 'disconnected';
    return kind === 'disconnected' || (kind === 'streaming' && this.size.strays);
  }

  /** What a driver does, of whom nothing but the store and the acceptors remembers anything. */
  successors(world: World): readonly Successor[] {
    const stored = this.model.memberships.value(world.stored);
    const found: Successor[] = [];
    for (let a = 0; a < this.size.acceptors; a++)
      found.push(...this.tell(world, a, stored), ...(this.size.removal ? this.remove(world, a) : []));
    if (stored.kind === 'joint') found.push(...this.finish(world, stored));
    if (stored.generation >= this.size.generations) return found;
    if (stored.kind === 'joint') return [...found, this.store(world, Membership.abort(stored))];
    for (const newMembers of this.otherSets(stored.members))
      found.push(this.store(world, Membership.joint(stored, newMembers)));
    return found;
  }

  private store(world: World, membership: ListedMembership): Successor {
    const stored = this.model.memberships.number(membership);
    return {
      world: { ...world, stored },
      action: () => `the store has ${membership.kind} generation ${membership.generation}`,
    };
  }

  private tell(world: World, a: number, membership: ListedMembership, minTerm = 0): Successor[] {
    const acceptor = this.model.acceptors.value(world.acceptors[a] ?? 0);
    const isNews = acceptor.state.membership.generation < membership.generation || acceptor.state.term < minTerm;
    if (!isNews) return [];
    const { number } = this.configure(acceptor, a, { membership, minTerm });
    return [
      {
        world: this.model.withAcceptor(world, a, number),
        action: () => `a${a} is told generation ${membership.generation} and term ${minTerm}`,
      },
    ];
  }

  /** Of an acceptor that is no member nothing is left but the membership that says so, and what a leader brings when it is one again. */
  private remove(world: World, a: number): Successor[] {
    const { membership } = this.model.acceptors.value(world.acceptors[a] ?? 0).state;
    const isLeaving = membership.kind === 'joint' && !Member.isIn(membership.newMembers, memberOf(a));
    const isOut = membership.kind === 'settled' && !Membership.includes(membership, memberOf(a));
    if (!isOut && !(isLeaving && this.options.mutant.isRemovedEarly === true)) return [];
    const number = this.model.numberOf(newAcceptor(membership));
    if (number === world.acceptors[a]) return [];
    return [{ world: this.model.withAcceptor(world, a, number), action: () => `a${a} removes all that it has` }];
  }

  private configure(
    acceptor: ModelAcceptor,
    a: number,
    wanted: { readonly membership: ListedMembership; readonly minTerm: number },
  ): AcceptorOutcome & { readonly number: number } {
    const input = { kind: 'configure', request: 1, ...wanted, minTerm: Term.of(wanted.minTerm) } as const;
    const outcome = stepAcceptor(acceptor, memberOf(a), input, this.options);
    return { ...outcome, number: this.model.numberOf(outcome.acceptor) };
  }

  /** The real driver hears a quorum of the former members, and then what everybody new has to say. */
  private finish(world: World, joint: ListedMembership & { kind: 'joint' }): Successor[] {
    const found: Successor[] = [];
    const ready = joint.members.filter(
      (member) => this.position(world, member).membership.generation === joint.generation,
    );
    for (const quorum of minimalQuorums(joint.members, ready)) {
      let { state } = MembershipChange.start(joint.newMembers);
      let effects: readonly ChangeEffect[] = [];
      const step = (input: Parameters<typeof MembershipChange.step>[1]): void => {
        ({ state, effects } =
          this.options.mutant.driver?.(state, input, MembershipChange.step) ?? MembershipChange.step(state, input));
      };
      step({ kind: 'stored', membership: joint });
      for (const member of quorum) step({ kind: 'answered', member, position: this.position(world, member) });
      for (const effect of effects)
        if (effect.kind === 'configure')
          found.push(...this.tell(world, effect.member.safekeeperId - 1, joint, effect.minTerm));
      for (const member of joint.newMembers)
        if (state.phase.kind === 'joining') step({ kind: 'answered', member, position: this.position(world, member) });
      for (const effect of effects)
        if (effect.kind === 'store' && joint.generation < this.size.generations)
          found.push(this.store(world, effect.membership));
    }
    return found;
  }

  private position(world: World, { safekeeperId }: Member) {
    return AcceptorState.position(this.model.acceptors.value(world.acceptors[safekeeperId - 1] ?? 0).state);
  }

  private otherSets(members: readonly Member[]): Member[][] {
    const all = Array.from({ length: this.size.acceptors }, (_, index) => memberOf(index));
    const sets = Array.from({ length: (1 << all.length) - 1 }, (_, bits) =>
      all.filter((_member, index) => (((bits + 1) >> index) & 1) === 1),
    );
    return sets.filter((set) => !Membership.sameMembers(set, members));
  }
}

/** The sets of members, all of them ready, that are just large enough. */
function minimalQuorums(members: readonly Member[], ready: readonly Member[]): readonly Member[][] {
  const size = Math.floor(members.length / 2) + 1;
  const subsets = Array.from({ length: 1 << ready.length }, (_, bits) =>
    ready.filter((_member, index) => ((bits >> index) & 1) === 1),
  );
  return subsets.filter((subset) => subset.length === size);
}
