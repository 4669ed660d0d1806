/**
 * The omniscient observer: it sees every disk and every effect, and knows what was ever acknowledged.
 *
 *   V1  Log safety: what two leaders call committed at one LSN is the same bytes; an acceptor's committed log is part of it.
 *   V2  Survival: a leader's log holds everything that is ever acknowledged in an earlier term. (One that wins so late
 *       that a later term has committed already need not hold that; it will find no quorum.)
 *   V3  Monotony: commit LSNs never fall, and an acceptor's never pass its `flushLsn`; both are ends of records.
 *   V4  Nothing before the start of a leader's term is committed by that leader.
 *   V5  No acceptor cuts its log below its own commit LSN.
 *   V6  Durable before told: terms, histories and positions that leave an acceptor would survive a crash.
 *   V7  A term is won at most once.
 *   V8  A committed LSN is durable on a quorum at that moment. (On a disk that was lost since, it was.)
 *   V9  Postgres is told of nothing that its leader has not committed, also when it asks anew.
 */
import { type AcceptorEffect, type AcceptorState, type DurableAcceptorState, TermHistory } from '@neon/consensus';
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
export const OUTCOMES: readonly string[] = ['V1', 'V2', 'V9', 'R2'];

/** An acceptor's disk: what a crash would leave at worst, and the log as it reads now. */
export interface DiskState {
  readonly control: DurableAcceptorState;
  readonly certainLog: Uint8Array;
  readonly log: Uint8Array;
}

interface Winner {
  readonly name: string;
  readonly termStartLsn: Lsn;
  readonly log: Uint8Array;
  /** What this leader has acknowledged. */
  committedLsn: Lsn;
}

export class Checker {
  /** Everything ever acknowledged, by LSN. */
  private acknowledged = new Uint8Array(0);
  private endLsn: Lsn;
  private readonly winners = new Map<Term, Winner>();

  /** @param watched the promises that are checked; all by default */
  constructor(
    private readonly startLsn: Lsn,
    private readonly quorum: number,
    private readonly watched?: readonly string[],
  ) {
    this.endLsn = startLsn;
  }

  check(condition: boolean, promise: string, detail: () => string): void {
    if (!condition && (this.watched?.includes(promise) ?? true)) throw new Violation(promise, detail());
  }

  get acknowledgedLsn(): Lsn {
    return this.endLsn;
  }

  get electionCount(): number {
    return this.winners.size;
  }

  onElected(name: string, term: Term, termStartLsn: Lsn, log: Uint8Array): void {
    this.check(!this.winners.has(term), 'V7', () => `term ${term} won by ${this.winners.get(term)?.name} and ${name}`);
    const winner = { name, termStartLsn, log: log.slice(0, termStartLsn), committedLsn: this.startLsn };
    for (const [earlier, { committedLsn }] of this.winners)
      if (earlier < term) this.checkSurvival(winner, term, committedLsn);
    this.winners.set(term, winner);
  }

  onCommitted(term: Term, lsn: Lsn, log: Uint8Array, disks: readonly DiskState[]): void {
    const leader = this.winners.get(term);
    if (leader === undefined) throw new Violation('V7', `term ${term} commits without an election`);
    const { termStartLsn, committedLsn } = leader;
    this.check(lsn >= termStartLsn, 'V4', () => `committed ${lsn} below the term's start ${termStartLsn}`);
    const isFirst = committedLsn === this.startLsn;
    this.check(lsn > committedLsn || isFirst, 'V3', () => `commit LSN went from ${committedLsn} to ${lsn}`);
    const holders = disks.filter((disk) => isEqual(disk.certainLog, log, this.startLsn, lsn));
    this.check(holders.length >= this.quorum, 'V8', () => `${lsn} is durable on ${holders.length} acceptors`);
    this.checkEqual('V1', log, { startLsn: this.startLsn, endLsn: Lsn.min(lsn, this.endLsn) });
    leader.committedLsn = lsn;
    if (lsn > this.endLsn) {
      this.acknowledged = log.slice(0, lsn);
      this.endLsn = lsn;
    }
    for (const [later, winner] of this.winners) if (later > term) this.checkSurvival(winner, later, lsn);
  }

  onTold(term: Term, lsn: Lsn): void {
    const committedLsn = this.winners.get(term)?.committedLsn ?? this.startLsn;
    this.check(lsn <= committedLsn, 'V9', () => `Postgres is told ${lsn}, committed ${committedLsn}`);
  }

  private checkSurvival({ termStartLsn, log }: Winner, term: Term, lsn: Lsn): void {
    this.check(termStartLsn >= lsn, 'V2', () => `term ${term} starts at ${termStartLsn}, acknowledged ${lsn}`);
    this.checkEqual('V2', log, { startLsn: this.startLsn, endLsn: lsn });
  }

  /** After each step of an acceptor, and after its recovery (`before` undefined: the saved commit LSN may lag). */
  onAcceptor(before: AcceptorState | undefined, after: AcceptorState, log: Uint8Array, endOfRecords: Lsn): void {
    this.check(
      after.commitLsn <= after.flushLsn,
      'V3',
      () => `commit ${after.commitLsn} beyond flush ${after.flushLsn}`,
    );
    this.check(after.flushLsn <= endOfRecords, 'V3', () => `flush ${after.flushLsn}, records end at ${endOfRecords}`);
    const previous = before?.commitLsn ?? this.startLsn;
    this.check(after.commitLsn >= previous, 'V3', () => `acceptor's commit LSN fell to ${after.commitLsn}`);
    this.check(after.commitLsn <= this.endLsn, 'V1', () => `${after.commitLsn} was never acknowledged`);
    this.checkEqual('V1', log, { startLsn: this.startLsn, endLsn: after.commitLsn });
  }

  onAcceptorEffect(state: AcceptorState, effect: AcceptorEffect, disk: DiskState): void {
    if (effect.kind === 'truncate')
      this.check(effect.endLsn >= state.commitLsn, 'V5', () => `cut at ${effect.endLsn}, committed ${state.commitLsn}`);
    if (effect.kind !== 'send' || effect.message.kind === 'sessionRefused') return;
    const { message } = effect;
    const { control } = disk;
    this.check(control.term >= message.term, 'V6', () => `told term ${message.term}, durable ${control.term}`);
    if (message.kind === 'greetingResponse') return;
    const { flushLsn } = message;
    const isCertain = isEqual(disk.certainLog, disk.log, this.startLsn, flushLsn);
    this.check(isCertain, 'V6', () => `told flush ${flushLsn}, which a crash may lose`);
    if (message.kind !== 'appendResponse' || message.term !== state.term) return;
    const told = TermHistory.upTo(state.termHistory, flushLsn);
    const durable = TermHistory.upTo(control.termHistory, flushLsn);
    this.check(TermHistory.equal(told, durable), 'V6', () => `told a position in a history that is not durable`);
  }

  private checkEqual(promise: string, log: Uint8Array, range: { startLsn: Lsn; endLsn: Lsn }): void {
    this.check(isEqual(log, this.acknowledged, range.startLsn, range.endLsn), promise, () => {
      let at: number = range.startLsn;
      while (log[at] === this.acknowledged[at]) at++;
      return `bytes differ from what was acknowledged at ${at}, acknowledged up to ${this.endLsn}`;
    });
  }
}

function isEqual(a: Uint8Array, b: Uint8Array, startLsn: number, endLsn: number): boolean {
  if (endLsn > a.length || endLsn > b.length) return endLsn <= startLsn;
  return Buffer.compare(a.subarray(startLsn, endLsn), b.subarray(startLsn, endLsn)) === 0;
}
