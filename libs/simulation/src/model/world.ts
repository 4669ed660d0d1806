/**
 * A world of the model: proposers, acceptors, what is under way between them, and every step it can take from there.
 *
 *   Y1  Each pair is connected by queues in order, as TCP gives them; an answer arrives with the delivery of its request, or
 *       never, when the connection breaks. What a broken connection or a dead proposer has sent may still be delivered, at any
 *       time, in any order, again and again: strays.
 *   Y2  A stray is forgotten when no acceptor's future can make it matter.
 *   Y3  Worlds that differ only in who is who are one: acceptors and proposers are interchangeable.
 *
 * Answers need not be delayed: a position that was told is remembered by who heard it, however old it becomes.
 */
import {
  type AcceptorMessage,
  type ListedMembership,
  Membership,
  type ProposerMessage,
  type ProposerState,
  TermHistory,
} from '@neon/consensus';
import { Term } from '@neon/kernel';
import type { Mutant } from '../consensus/mutant';
import { Interner, Memo } from './interner';
import { Reconfiguration } from './reconfiguration';
import {
  type Claim,
  type Entries,
  type ModelAcceptor,
  type PartyOptions,
  type ProposerOutcome,
  START_LSN,
  claimOf,
  entriesOf,
  idOf,
  memberOf,
  newAcceptor,
  newProposer,
  received,
  stepAcceptor,
  stepProposer,
} from './parties';
import { acceptorText, membershipText, messageText, proposerText } from './texts';

export interface ModelSize {
  readonly proposers: number;
  readonly acceptors: number;
  readonly terms: number;
  readonly entries: number;
  /** Above 1, memberships change: from all acceptors but one, to any set. */
  readonly generations: number;
  /** Whether what a broken connection or a dead proposer has sent may arrive later. */
  readonly strays: boolean;
  /** Whether acceptors learn from each other what is committed. */
  readonly learning: boolean;
  /** Whether acceptors that are no members may remove all that they have. */
  readonly removal: boolean;
}

/** A world, unpacked. Parties and messages are numbers of their interners. */
export interface World {
  readonly proposers: readonly number[];
  readonly acceptors: readonly number[];
  /** For each proposer, for each acceptor: requests under way, the oldest first. */
  readonly queues: readonly (readonly number[])[][];
  /** For each acceptor, in order of their numbers. */
  readonly strays: readonly (readonly number[])[];
  readonly committed: Entries;
  /** Bit n: term n was won. */
  readonly won: number;
  /** The number of the membership in the store. */
  readonly stored: number;
}

export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}

/** What a step of a proposer comes to. */
export interface ProposerMove extends Pick<ProposerOutcome, 'closed' | 'elected' | 'committed'> {
  readonly number: number;
  readonly sends: readonly { readonly to: number; readonly message: number }[];
  /** It is deposed, or its campaign came to nothing. */
  readonly isOver: boolean;
}

export interface Successor {
  readonly world: World;
  /** What happened, for the way to a broken invariant. */
  readonly action: () => string;
}

export class Model {
  readonly proposers = new Interner<ProposerState>(proposerText);
  readonly acceptors = new Interner<ModelAcceptor>(acceptorText);
  readonly messages = new Interner<ProposerMessage>(messageText);
  readonly memberships = new Interner<ListedMembership>(membershipText);
  private readonly options: PartyOptions;
  private readonly reconfiguration: Reconfiguration;
  private readonly deliveries: Memo<{ readonly number: number; readonly replies: readonly number[] }>;
  private readonly usefulness: Memo<boolean>;
  private readonly claims = new Interner<Claim>((claim) => JSON.stringify({ ...claim, bytes: [...claim.bytes] }));
  private readonly learned: Memo<{ readonly number: number }>;
  private readonly replies = new Interner<AcceptorMessage>((message) => JSON.stringify(message));
  private readonly hearings: Memo<ProposerMove>;
  private readonly campaigns = new Map<string, ProposerMove>();
  /** A proposer that has not begun, or whose campaign came to nothing or would go beyond the bounds. */
  private readonly idle: number;

  constructor(
    readonly size: ModelSize,
    readonly mutant: Mutant,
  ) {
    this.options = { mutant, carriesCommit: size.strays };
    this.reconfiguration = new Reconfiguration(this, size, this.options);
    this.deliveries = new Memo((at, message) => {
      const { index, acceptor } = this.placed(at);
      const outcome = stepAcceptor(acceptor, memberOf(index), received(this.messages.value(message)), this.options);
      const replies = outcome.replies.map((reply) => this.replies.number(reply));
      return { number: this.numberOf(outcome.acceptor), replies };
    });
    this.learned = new Memo((at, claim) => {
      const { index, acceptor } = this.placed(at);
      const outcome = stepAcceptor(acceptor, memberOf(index), this.claims.value(claim), this.options);
      return { number: this.numberOf(outcome.acceptor) };
    });
    this.hearings = new Memo((at, reply) => {
      const message = this.replies.value(reply);
      const safekeeper = idOf(at % size.acceptors);
      const proposer = this.proposers.value(Math.floor(at / size.acceptors));
      return this.move(stepProposer(proposer, [{ kind: 'received', safekeeper, message }], this.options));
    });
    this.idle = this.proposers.number(newProposer(this.first, size.acceptors));
    this.usefulness = new Memo((acceptor, message) =>
      isUseful(this.acceptors.value(acceptor), this.messages.value(message)),
    );
  }

  private placed(at: number): { readonly index: number; readonly acceptor: ModelAcceptor } {
    const { acceptors } = this.size;
    return { index: at % acceptors, acceptor: this.acceptors.value(Math.floor(at / acceptors)) };
  }

  get isChanging(): boolean {
    return this.size.generations > 1;
  }

  /** Every acceptor but the last where memberships change, else all. */
  private get first(): ListedMembership {
    const count = this.isChanging ? this.size.acceptors - 1 : this.size.acceptors;
    return Membership.settled(
      1,
      Array.from({ length: count }, (_, index) => memberOf(index)),
    );
  }

  initial(): World {
    const { proposers, acceptors } = this.size;
    const empty = this.numberOf(newAcceptor(this.first));
    return {
      proposers: Array.from({ length: proposers }, () => this.idle),
      acceptors: Array.from({ length: acceptors }, () => empty),
      queues: Array.from({ length: proposers }, () => Array.from({ length: acceptors }, () => [])),
      strays: Array.from({ length: acceptors }, () => []),
      committed: [],
      won: 0,
      stored: this.memberships.number(this.first),
    };
  }

  successors(world: World): readonly Successor[] {
    const found: Successor[] = [];
    for (let p = 0; p < this.size.proposers; p++) {
      found.push(...this.restarts(world, p), ...this.writes(world, p));
      for (let a = 0; a < this.size.acceptors; a++)
        found.push(...this.connections(world, p, a), ...this.arrivals(world, p, a));
    }
    for (let a = 0; a < this.size.acceptors; a++) found.push(...this.lateArrivals(world, a));
    if (this.size.learning) found.push(...this.learnings(world));
    if (this.isChanging) found.push(...this.reconfiguration.successors(world));
    return found;
  }

  /** A proposer loses everything and begins with the term and the membership that some acceptor knows. */
  private restarts(world: World, p: number): Successor[] {
    const memberships = new Map<string, Membership>();
    const terms = new Set<number>();
    for (const number of world.acceptors) {
      const { membership, term } = this.acceptors.value(number).state;
      memberships.set(membershipText(membership), membership);
      if (term < this.size.terms) terms.add(term);
    }
    const found: Successor[] = [];
    for (const membership of memberships.values())
      for (const heardTerm of this.isChanging ? terms : this.quorumTerms(world)) {
        const fresh = this.campaign(membership, Term.of(heardTerm));
        const emptied = this.withoutConnections(world, p);
        const next = this.afterProposer(emptied, p, fresh);
        found.push({
          world: next,
          action: () => `p${p} begins a campaign for term ${heardTerm + 1} in generation ${membership.generation}`,
        });
      }
    return found;
  }

  /** Where nothing changes, the terms that a quorum can tell. */
  private quorumTerms(world: World): ReadonlySet<number> {
    const terms = world.acceptors.map((number) => this.acceptors.value(number).state.term).sort((a, b) => a - b);
    return new Set(terms.slice(Math.floor(terms.length / 2)).filter((term) => term < this.size.terms));
  }

  /** Greeted by all at once; who is not reached is not heard from before its vote is delivered, or never. */
  private campaign(membership: Membership, heardTerm: Term): ProposerMove {
    const key = `${membershipText(membership)} ${heardTerm}`;
    const move = this.campaigns.get(key) ?? this.move(this.beginCampaign(membership, heardTerm));
    this.campaigns.set(key, move);
    return move;
  }

  private beginCampaign(membership: Membership, heardTerm: Term): ProposerOutcome {
    const indexes = Array.from({ length: this.size.acceptors }, (_, index) => index);
    const voters = indexes.filter((index) => Membership.includes(membership, memberOf(index)));
    const { proposer } = stepProposer(
      newProposer(membership, this.size.acceptors),
      voters.map((index) => ({ kind: 'connected', safekeeper: idOf(index) })),
      this.options,
    );
    const greetings = voters.map((index) => ({
      kind: 'received' as const,
      safekeeper: idOf(index),
      message: { kind: 'greetingResponse' as const, membership, ...memberOf(index), term: heardTerm },
    }));
    return stepProposer(proposer, greetings, this.options);
  }

  private writes(world: World, p: number): Successor[] {
    const move = this.reconfiguration.write(world.proposers[p] ?? 0);
    return move === undefined ? [] : [{ world: this.afterProposer(world, p, move), action: () => `p${p} writes` }];
  }

  /** The connection breaks, and is made again at once, up to the question for a vote. */
  private connections(world: World, p: number, a: number): Successor[] {
    const next = this.reconfiguration.reconnect(world, p, a);
    return next === undefined ? [] : [{ world: next, action: () => `p${p} and a${a} connect` }];
  }

  private arrivals(world: World, p: number, a: number): Successor[] {
    const queue = world.queues[p]?.[a] ?? [];
    const [message, ...rest] = queue;
    if (message === undefined) return [];
    const outcome = this.deliver(world, a, message);
    const queues = world.queues.map((row, index) =>
      index === p ? row.map((each, at) => (at === a ? rest : each)) : row,
    );
    let next: World = { ...this.withAcceptor(world, a, outcome.number), queues };
    for (const reply of outcome.replies) {
      const at = (next.proposers[p] ?? 0) * this.size.acceptors + a;
      next = this.afterProposer(next, p, this.hearings.get(at, reply));
    }
    return [{ world: next, action: () => `a${a} gets "${messageText(this.messages.value(message))}" of p${p}` }];
  }

  /** Y1: nobody waits for the answer. */
  private lateArrivals(world: World, a: number): Successor[] {
    return (world.strays[a] ?? []).map((message) => {
      const { number } = this.deliver(world, a, message);
      const action = (): string => `a${a} gets a late "${messageText(this.messages.value(message))}"`;
      return { world: this.withAcceptor(world, a, number), action };
    });
  }

  /**
   * Whoever knows something to be committed tells it; that may be any beginning of what is, and be told long afterwards. Bytes are
   * those that follow upon the log as it is, or was.
   */
  private learnings(world: World): Successor[] {
    const { committed } = world;
    return world.acceptors.flatMap((acceptor, a) =>
      committed.flatMap((_, index) => {
        const known = committed.slice(0, index + 1);
        return [undefined, ...known.keys()].map((from): Successor => {
          const claim = this.claims.number(claimOf(known, from));
          const { number } = this.learned.get(acceptor * this.size.acceptors + a, claim);
          const action = (): string => `a${a} learns that ${known} is committed, with what follows entry ${from}`;
          return { world: this.withAcceptor(world, a, number), action };
        });
      }),
    );
  }

  private deliver(
    world: World,
    a: number,
    message: number,
  ): { readonly number: number; readonly replies: readonly number[] } {
    return this.deliveries.get((world.acceptors[a] ?? 0) * this.size.acceptors + a, message);
  }

  /** Checks what must hold of an acceptor wherever it is. */
  numberOf(acceptor: ModelAcceptor): number {
    const { state, entries } = acceptor;
    const attributed = entriesOf(state.termHistory, state.flushLsn);
    demand(
      entries.join() === attributed.join(),
      () => `the log ${entries} is not what its history says: ${attributed}`,
    );
    demand(
      entries.every((term, index) => term >= (entries[index - 1] ?? 0)),
      () => `terms fall along the log ${entries}`,
    );
    demand(state.commitLsn <= state.flushLsn, () => 'committed beyond the end of the log');
    return this.acceptors.number(acceptor);
  }

  withAcceptor(world: World, a: number, number: number): World {
    const acceptors = world.acceptors.map((each, index) => (index === a ? number : each));
    const strays = world.strays.map((each, index) =>
      index === a ? each.filter((message) => this.usefulness.get(number, message)) : each,
    );
    const next = { ...world, acceptors, strays };
    const { state, entries } = this.acceptors.value(number);
    const own = entries.slice(0, state.commitLsn - START_LSN);
    demand(isPrefix(own, world.committed), () => `an acceptor takes ${own} for committed, which is ${world.committed}`);
    const former = this.acceptors.value(world.acceptors[a] ?? 0);
    if (entries.length < former.entries.length && !this.isChanging) this.requireHeld(next);
    return next;
  }

  /** Where nothing changes; else it depends on which set. */
  private requireHeld({ acceptors, committed }: World): void {
    const holders = acceptors.filter((number) => isPrefix(committed, this.acceptors.value(number).entries));
    demand(2 * holders.length > acceptors.length, () => `${committed} is committed, and held by ${holders.length}`);
  }

  /** Y2. */
  withStrays(world: World, a: number, messages: readonly number[]): World {
    if (!this.size.strays || messages.length === 0) return world;
    const acceptor = world.acceptors[a] ?? 0;
    const useful = messages.filter((message) => this.usefulness.get(acceptor, message));
    const all = [...new Set([...(world.strays[a] ?? []), ...useful])].sort((x, y) => x - y);
    return { ...world, strays: world.strays.map((each, index) => (index === a ? all : each)) };
  }

  withoutConnections(world: World, p: number): World {
    let next = world;
    for (let a = 0; a < this.size.acceptors; a++) next = this.withoutConnection(next, p, a);
    return next;
  }

  withoutConnection(world: World, p: number, a: number): World {
    const queue = world.queues[p]?.[a] ?? [];
    if (queue.length === 0) return world;
    const queues = world.queues.map((row, index) =>
      index === p ? row.map((each, at) => (at === a ? [] : each)) : row,
    );
    return this.withStrays({ ...world, queues }, a, queue);
  }

  /** What a proposer has come to, and what follows from it. */
  afterProposer(world: World, p: number, move: ProposerMove): World {
    let next: World = world;
    for (const a of move.closed) next = this.withoutConnection(next, p, a);
    if (move.isOver) next = this.withoutConnections(next, p);
    const { number, sends } = move;
    const queues = sends.length === 0 ? next.queues : withSent(next.queues, p, sends);
    next = { ...next, queues, proposers: next.proposers.map((each, index) => (index === p ? number : each)) };
    for (const term of move.elected) next = elect(next, term);
    return move.committed === undefined ? next : commit(next, move.committed);
  }

  move({ proposer, sends, ...rest }: ProposerOutcome): ProposerMove {
    const { kind } = proposer.phase;
    const isIdle = kind === 'collecting' || proposer.term > this.size.terms;
    const isOver = kind === 'deposed' || isIdle;
    return {
      ...rest,
      number: isIdle ? this.idle : this.proposers.number(proposer),
      sends: isOver ? [] : sends.map(({ to, message }) => ({ to, message: this.messages.number(message) })),
      isOver,
    };
  }
}

function withSent(queues: World['queues'], p: number, sends: ProposerMove['sends']): World['queues'] {
  return queues.map((row, index) => {
    if (index !== p) return row;
    return row.map((queue, a) => [...queue, ...sends.filter(({ to }) => to === a).map(({ message }) => message)]);
  });
}

function elect(world: World, term: Term): World {
  demand((world.won & (1 << term)) === 0, () => `term ${term} is won twice`);
  return { ...world, won: world.won | (1 << term) };
}

/** Log safety: what is committed at one LSN is one entry. */
function commit(world: World, entries: Entries): World {
  const { committed } = world;
  const isSame = isPrefix(entries, committed) || isPrefix(committed, entries);
  demand(isSame, () => `committed is ${committed}, and now ${entries}`);
  return entries.length > committed.length ? { ...world, committed: entries } : world;
}

const isPrefix = (shorter: Entries, longer: Entries): boolean =>
  shorter.length <= longer.length && shorter.every((term, index) => term === longer[index]);

/** Y2: a vote for a term that has passed, a history that was adopted, WAL that is there. */
function isUseful({ state }: ModelAcceptor, message: ProposerMessage): boolean {
  if (message.kind === 'greetingRequest') return message.membership.generation > state.membership.generation;
  if (message.membershipGeneration < state.membership.generation) return false;
  const adopted = TermHistory.last(state.termHistory).term;
  switch (message.kind) {
    case 'voteRequest':
      return message.term > state.term;
    case 'electedRequest':
      return message.term > state.term || (message.term === state.term && adopted < message.term);
    case 'appendRequest':
      if (message.term !== state.term || adopted < message.term) return message.term >= state.term;
      return (
        message.startLsn >= state.writeLsn && (message.bytes.length > 0 || message.commitLsn > state.heardCommitLsn)
      );
    default:
      return false;
  }
}

export function demand(condition: boolean, detail: () => string): void {
  if (!condition) throw new BrokenInvariant(detail());
}
