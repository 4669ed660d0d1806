/**
 * The omniscient observer: it sees every disk and every effect, and knows what was ever acknowledged.
 *
 *   V1   Log safety: what two leaders call committed at one LSN is the same bytes; an acceptor's committed log is part of it.
 *   V2   Survival: a leader's log holds everything that is ever acknowledged in an earlier term. (One that wins so late
 *        that a later term has committed already need not hold that; it will find no quorum.)
 *   V3   Monotony: commit LSNs never fall, and an acceptor's never pass its `flushLsn`; both are ends of records.
 *   V4   Nothing before the start of a leader's term is committed by that leader.
 *   V5   No acceptor cuts its log below its own commit LSN.
 *   V6   Durable before told: terms, histories, positions and generations that leave an acceptor would survive a crash.
 *   V7   A term is won at most once, in whatever generation.
 *   V8   A committed LSN is durable on a quorum of every set of its membership at that moment. (On a disk that was lost
 *        since, it was.)
 *   V9   Postgres is told of nothing that its leader has not committed, also when it asks anew.
 *   V10  A generation has one membership, and its members alone vote and confirm in it.
 *   V11  A term is won by the votes of a quorum of every set, given in the generation in which it is won.
 *   V12  A disk never goes back to a lower generation than it has told, nor makes a timeline that was deleted on it; one that was
 *        removed there it makes again only in a generation that it has not told.
 *   V13  When a set takes over alone, a quorum of it holds everything that was acknowledged.
 */
import {
  type AcceptorEffect,
  type AcceptorState,
  type DurableAcceptorState,
  type ListedMembership,
  Member,
  Membership,
  TermHistory,
} from '@neon/consensus';
import { Lsn, type Term } from '@neon/kernel';

export class Violation extends Error {
  override readonly name = 'Violation';
  constructor(
    readonly promise: string,
    detail: string,
  ) {
    super(`${promise}: ${detail}`);
  }
}

/** Promises about what users see; the others are about how it comes about, and catch the same bugs sooner. */
export const OUTCOMES: readonly string[] = ['V1', 'V2', 'V9', 'R2', 'R3'];

/** An acceptor's disk: what a crash would leave at worst, and the log as it reads now. */
export interface DiskState {
  readonly control: DurableAcceptorState;
  readonly certainLog: Uint8Array;
  readonly log: Uint8Array;
}

/** An acceptor at work: which disk it is, what it believes, and what is on the disk. */
export interface Actor {
  readonly self: Member;
  readonly state: AcceptorState;
  readonly disk: DiskState;
}

export interface Election {
  readonly name: string;
  readonly term: Term;
  readonly termStartLsn: Lsn;
  readonly membership: Membership;
  readonly log: Uint8Array;
}

export interface Commit {
  readonly term: Term;
  readonly membership: Membership;
  readonly lsn: Lsn;
  readonly log: Uint8Array;
}

interface Winner extends Omit<Election, 'membership'> {
  /** What this leader has acknowledged. */
  committedLsn: Lsn;
}

export interface CheckerOptions {
  readonly startLsn: Lsn;
  /** Who the members of the founding membership are. */
  readonly founders: readonly Member[];
  /** What a disk holds, or held when it was lost, in the life of the timeline there that reached the generation first. */
  readonly diskOf: (member: Member, generation: number) => DiskState | undefined;
  /** The promises that are checked; all by default. */
  readonly watched?: readonly string[] | undefined;
}

export class Checker {
  /** Everything ever acknowledged, by LSN. */
  private acknowledged = new Uint8Array(0);
  private endLsn: Lsn;
  private readonly winners = new Map<Term, Winner>();
  /** By generation. */
  private readonly memberships = new Map<number, ListedMembership>();
  /** Who has granted its vote, by term and generation. */
  private readonly votes = new Map<string, Set<string>>();
  /** The highest generation that a disk has told, by member. */
  private readonly generations = new Map<string, number>();
  /** Disks from which the timeline was removed, and that do not have it again. */
  private readonly removed = new Set<string>();
  /** How often a timeline was removed from a disk that had it, and made there again. */
  removalCount = 0;
  returnCount = 0;

  constructor(private readonly options: CheckerOptions) {
    this.endLsn = options.startLsn;
  }

  check(condition: boolean, promise: string, detail: () => string): void {
    if (!condition && (this.options.watched?.includes(promise) ?? true)) throw new Violation(promise, detail());
  }

  get acknowledgedLsn(): Lsn {
    return this.endLsn;
  }

  get electionCount(): number {
    return this.winners.size;
  }

  /** How often the membership has changed. */
  get generationCount(): number {
    return this.memberships.size;
  }

  onStored(membership: ListedMembership): void {
    this.memberships.set(membership.generation, membership);
    if (membership.kind !== 'settled') return;
    const { generation } = membership;
    const holds = (member: Member): boolean =>
      this.holds(member, { log: this.acknowledged, lsn: this.endLsn, generation: generation - 1 });
    this.check(isQuorum(membership.members, holds), 'V13', () => {
      const holders = membership.members.filter(holds).map(Member.key);
      return `generation ${generation} takes over, ${this.endLsn} is on ${holders.join(', ')} alone`;
    });
  }

  /** V10. */
  onMembership(name: string, membership: Membership): void {
    if (membership.kind === 'founding') return;
    const stored = this.memberships.get(membership.generation);
    const isTrue = stored !== undefined && Membership.equal(stored, membership);
    this.check(isTrue, 'V10', () => `${name} has another membership of generation ${membership.generation}`);
  }

  onElected({ membership, ...election }: Election): void {
    const { name, term, termStartLsn } = election;
    this.check(!this.winners.has(term), 'V7', () => `term ${term} won by ${this.winners.get(term)?.name} and ${name}`);
    const voters = this.votes.get(`${term}/${membership.generation}`);
    for (const members of this.setsOf(membership))
      this.check(
        isQuorum(members, (member) => voters?.has(Member.key(member)) ?? false),
        'V11',
        () => `term ${term} is won in generation ${membership.generation} by ${[...(voters ?? [])].join(', ')}`,
      );
    const winner = { ...election, log: election.log.slice(0, termStartLsn), committedLsn: this.options.startLsn };
    for (const [earlier, { committedLsn }] of this.winners)
      if (earlier < term) this.checkSurvival(winner, committedLsn);
    this.winners.set(term, winner);
  }

  onCommitted({ term, membership, lsn, log }: Commit): void {
    const { startLsn } = this.options;
    const leader = this.winners.get(term);
    if (leader === undefined) throw new Violation('V7', `term ${term} commits without an election`);
    const { termStartLsn, committedLsn } = leader;
    this.check(lsn >= termStartLsn, 'V4', () => `committed ${lsn} below the term's start ${termStartLsn}`);
    const isFirst = committedLsn === startLsn;
    this.check(lsn > committedLsn || isFirst, 'V3', () => `commit LSN went from ${committedLsn} to ${lsn}`);
    for (const members of this.setsOf(membership))
      this.check(
        isQuorum(members, (member) => this.holds(member, { log, lsn, generation: membership.generation })),
        'V8',
        () => `${lsn} is durable on a minority of a set of generation ${membership.generation}`,
      );
    this.checkEqual('V1', log, { startLsn, endLsn: Lsn.min(lsn, this.endLsn) });
    leader.committedLsn = lsn;
    if (lsn > this.endLsn) {
      this.acknowledged = log.slice(0, lsn);
      this.endLsn = lsn;
    }
    for (const [later, winner] of this.winners) if (later > term) this.checkSurvival(winner, lsn);
  }

  onTold(term: Term, lsn: Lsn): void {
    const committedLsn = this.winners.get(term)?.committedLsn ?? this.options.startLsn;
    this.check(lsn <= committedLsn, 'V9', () => `Postgres is told ${lsn}, committed ${committedLsn}`);
  }

  private holds(
    member: Member,
    { log, lsn, generation }: { readonly log: Uint8Array; readonly lsn: Lsn; readonly generation: number },
  ): boolean {
    const disk = this.options.diskOf(member, generation);
    return disk !== undefined && isEqual(disk.certainLog, log, this.options.startLsn, lsn);
  }

  private setsOf(membership: Membership): readonly (readonly Member[])[] {
    return membership.kind === 'founding' ? [this.options.founders] : Membership.sets(membership);
  }

  private checkSurvival({ term, termStartLsn, log }: Winner, lsn: Lsn): void {
    this.check(termStartLsn >= lsn, 'V2', () => `term ${term} starts at ${termStartLsn}, acknowledged ${lsn}`);
    this.checkEqual('V2', log, { startLsn: this.options.startLsn, endLsn: lsn });
  }

  /** A timeline appears on a disk. */
  onMade(
    self: Member,
    { membership, isDeleted }: { readonly membership: Membership; readonly isDeleted: boolean },
  ): void {
    this.check(!isDeleted, 'V12', () => `${Member.key(self)} makes again what was deleted`);
    const told = this.generations.get(Member.key(self)) ?? 0;
    const { generation } = membership;
    if (this.removed.delete(Member.key(self))) this.returnCount++;
    this.check(generation > told, 'V12', () => `${Member.key(self)} makes in ${generation} what it removed in ${told}`);
  }

  /** A timeline leaves a disk, if it was there, in a membership that is stored. */
  onRemoved(
    self: Member,
    { membership, wasThere }: { readonly membership: ListedMembership; readonly wasThere: boolean },
  ): void {
    this.onMembership(Member.key(self), membership);
    const told = this.generations.get(Member.key(self)) ?? 0;
    const { generation } = membership;
    this.check(generation >= told, 'V12', () => `${Member.key(self)} removes in ${generation}, and was in ${told}`);
    this.generations.set(Member.key(self), generation);
    if (!wasThere) return;
    this.removalCount++;
    this.removed.add(Member.key(self));
  }

  onRecovered(self: Member, { membership }: AcceptorState): void {
    const told = this.generations.get(Member.key(self)) ?? 0;
    this.check(membership.generation >= told, 'V12', () => `${Member.key(self)} is back in ${membership.generation}`);
  }

  /** After each step of an acceptor, and after its recovery (`before` undefined: the saved commit LSN may lag). */
  onAcceptor(before: AcceptorState | undefined, after: AcceptorState, log: Uint8Array, endOfRecords: Lsn): void {
    this.check(
      after.commitLsn <= after.flushLsn,
      'V3',
      () => `commit ${after.commitLsn} beyond flush ${after.flushLsn}`,
    );
    this.check(after.flushLsn <= endOfRecords, 'V3', () => `flush ${after.flushLsn}, records end at ${endOfRecords}`);
    const previous = before?.commitLsn ?? this.options.startLsn;
    this.check(after.commitLsn >= previous, 'V3', () => `acceptor's commit LSN fell to ${after.commitLsn}`);
    this.check(after.commitLsn <= this.endLsn, 'V1', () => `${after.commitLsn} was never acknowledged`);
    this.checkEqual('V1', log, { startLsn: this.options.startLsn, endLsn: after.commitLsn });
    this.onMembership(`safekeeper ${after.safekeeperId}`, after.membership);
  }

  onAcceptorEffect(actor: Actor, effect: AcceptorEffect): void {
    const { state, disk } = actor;
    if (effect.kind === 'truncate')
      this.check(effect.endLsn >= state.commitLsn, 'V5', () => `cut at ${effect.endLsn}, committed ${state.commitLsn}`);
    if (effect.kind === 'answer') {
      const { membership, term, flushLsn } = effect.position;
      this.checkDurable(actor, { generation: membership.generation, term, flushLsn });
    }
    if (effect.kind !== 'send' || effect.message.kind === 'sessionRefused') return;
    const { message } = effect;
    if (message.kind === 'greetingResponse')
      return this.checkDurable(actor, { generation: message.membership.generation, term: message.term });
    const { membershipGeneration: generation, term, flushLsn } = message;
    this.checkDurable(actor, { generation, term, flushLsn });
    this.checkMember(actor, message);
    if (message.kind !== 'appendResponse' || message.term !== state.term) return;
    const told = TermHistory.upTo(state.termHistory, flushLsn);
    const durable = TermHistory.upTo(disk.control.termHistory, flushLsn);
    this.check(TermHistory.equal(told, durable), 'V6', () => `told a position in a history that is not durable`);
  }

  private checkDurable(
    { self, disk }: Actor,
    told: { readonly generation: number; readonly term: Term; readonly flushLsn?: Lsn },
  ): void {
    const { generation, term, flushLsn = Lsn.ZERO } = told;
    const { control, certainLog, log } = disk;
    this.check(control.term >= term, 'V6', () => `told term ${term}, durable ${control.term}`);
    const durable = control.membership.generation;
    this.check(durable >= generation, 'V6', () => `told generation ${generation}, durable ${durable}`);
    const isCertain = isEqual(certainLog, log, this.options.startLsn, flushLsn);
    this.check(isCertain, 'V6', () => `told flush ${flushLsn}, which a crash may lose`);
    const key = Member.key(self);
    this.generations.set(key, Math.max(this.generations.get(key) ?? 0, generation));
  }

  /** V10, and what V11 is judged by. */
  private checkMember(
    { self, disk }: Actor,
    message: {
      readonly membershipGeneration: number;
      readonly term: Term;
      readonly flushLsn: Lsn;
      readonly granted?: boolean;
    },
  ): void {
    const { membershipGeneration: generation, term } = message;
    const { membership } = disk.control;
    const isMember = membership.generation !== generation || Membership.includes(membership, self);
    const isConfirming = message.granted ?? message.flushLsn > Lsn.ZERO;
    this.check(!isConfirming || isMember, 'V10', () => `${Member.key(self)} is not of generation ${generation}`);
    if (message.granted !== true) return;
    const ballot = `${term}/${generation}`;
    this.votes.set(ballot, (this.votes.get(ballot) ?? new Set()).add(Member.key(self)));
  }

  private checkEqual(promise: string, log: Uint8Array, range: { startLsn: Lsn; endLsn: Lsn }): void {
    this.check(isEqual(log, this.acknowledged, range.startLsn, range.endLsn), promise, () => {
      let at: number = range.startLsn;
      while (log[at] === this.acknowledged[at]) at++;
      return `bytes differ from what was acknowledged at ${at}, acknowledged up to ${this.endLsn}`;
    });
  }
}

/** The checker counts for itself. */
const isQuorum = (members: readonly Member[], has: (member: Member) => boolean): boolean =>
  2 * members.filter(has).length > members.length;

function isEqual(a: Uint8Array, b: Uint8Array, startLsn: number, endLsn: number): boolean {
  if (endLsn > a.length || endLsn > b.length) return endLsn <= startLsn;
  return Buffer.compare(a.subarray(startLsn, endLsn), b.subarray(startLsn, endLsn)) === 0;
}
