/**
 * The omniscient observer: it sees every disk and every effect, and knows what was ever acknowledged.
 *
 *   V1  Log safety: what two leaders call committed at one LSN is the same bytes; an acceptor's committed log is part of it.
 *   V2  Survival: a leader's log holds everything that was acknowledged before it was elected.
 *   V3  Monotony: commit LSNs never fall, and an acceptor's never pass its `flushLsn`; both are ends of records.
 *   V4  Nothing before the start of a leader's term is committed by that leader.
 *   V5  No acceptor cuts its log below its own commit LSN.
 *   V6  Durable before told: terms, histories and positions that leave an acceptor would survive a crash.
 *   V7  A term is won at most once.
 *   V8  A committed LSN is durable on a quorum at that moment.
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

export function check(condition: boolean, promise: string, detail: () => string): void {
  if (!condition) throw new Violation(promise, detail());
}

/** What an acceptor has on its disk for certain. */
export interface CertainState {
  readonly control: DurableAcceptorState;
  readonly log: Uint8Array;
}

export class Checker {
  /** Everything ever acknowledged, by LSN. */
  private acknowledged = new Uint8Array(0);
  private endLsn: Lsn;
  private readonly winners = new Map<Term, string>();

  constructor(
    private readonly startLsn: Lsn,
    private readonly quorum: number,
  ) {
    this.endLsn = startLsn;
  }

  get acknowledgedLsn(): Lsn {
    return this.endLsn;
  }

  get electionCount(): number {
    return this.winners.size;
  }

  onElected(leader: string, term: Term, termStartLsn: Lsn, log: Uint8Array): void {
    check(!this.winners.has(term), 'V7', () => `term ${term} won by ${this.winners.get(term)} and ${leader}`);
    this.winners.set(term, leader);
    check(
      termStartLsn >= this.endLsn,
      'V2',
      () => `term ${term} starts at ${termStartLsn}, acknowledged ${this.endLsn}`,
    );
    this.checkEqual('V2', log, { startLsn: this.startLsn, endLsn: this.endLsn });
  }

  onCommitted(
    leader: { readonly termStartLsn: Lsn; readonly previousLsn: Lsn; readonly log: Uint8Array },
    lsn: Lsn,
    certain: readonly CertainState[],
  ): void {
    const { termStartLsn, previousLsn, log } = leader;
    check(lsn >= termStartLsn, 'V4', () => `committed ${lsn} below the term's start ${termStartLsn}`);
    check(lsn > previousLsn, 'V3', () => `commit LSN went from ${previousLsn} to ${lsn}`);
    const holders = certain.filter((acceptor) => isEqual(acceptor.log, log, this.startLsn, lsn));
    check(holders.length >= this.quorum, 'V8', () => `${lsn} is durable on ${holders.length} acceptors`);
    this.checkEqual('V1', log, { startLsn: this.startLsn, endLsn: Lsn.min(lsn, this.endLsn) });
    if (lsn <= this.endLsn) return;
    this.acknowledged = log.slice(0, lsn);
    this.endLsn = lsn;
  }

  /** After each step of an acceptor, and after its recovery (`before` undefined). */
  onAcceptor(before: AcceptorState | undefined, after: AcceptorState, log: Uint8Array, endOfRecords: Lsn): void {
    check(after.commitLsn <= after.flushLsn, 'V3', () => `commit ${after.commitLsn} beyond flush ${after.flushLsn}`);
    check(after.flushLsn <= endOfRecords, 'V3', () => `flush ${after.flushLsn}, records end at ${endOfRecords}`);
    if (before !== undefined && before.commitLsn === after.commitLsn) return;
    const previous = before?.commitLsn ?? this.startLsn;
    check(after.commitLsn >= previous, 'V3', () => `acceptor's commit LSN fell to ${after.commitLsn}`);
    check(after.commitLsn <= this.endLsn, 'V1', () => `${after.commitLsn} was never acknowledged`);
    this.checkEqual('V1', log, { startLsn: previous, endLsn: after.commitLsn });
  }

  onAcceptorEffect(state: AcceptorState, effect: AcceptorEffect, certain: CertainState): void {
    if (effect.kind === 'truncate')
      check(effect.endLsn >= state.commitLsn, 'V5', () => `cut at ${effect.endLsn}, committed ${state.commitLsn}`);
    if (effect.kind !== 'send' || effect.message.kind === 'sessionRefused') return;
    const { message } = effect;
    const { control } = certain;
    check(control.term >= message.term, 'V6', () => `told term ${message.term}, durable ${control.term}`);
    if (message.kind === 'greetingResponse') return;
    const { flushLsn } = message;
    const isCertain = isEqual(certain.log, this.cached(certain), this.startLsn, flushLsn);
    check(isCertain, 'V6', () => `told flush ${flushLsn}, which a crash may lose`);
    if (message.kind !== 'appendResponse' || message.term !== state.term) return;
    const told = TermHistory.upTo(state.termHistory, flushLsn);
    const durable = TermHistory.upTo(control.termHistory, flushLsn);
    check(TermHistory.equal(told, durable), 'V6', () => `told a position in a history that is not durable`);
  }

  private cached = (certain: CertainState): Uint8Array =>
    (certain as CertainState & { cached?: Uint8Array }).cached ?? certain.log;

  private checkEqual(promise: string, log: Uint8Array, range: { startLsn: Lsn; endLsn: Lsn }): void {
    check(isEqual(log, this.acknowledged, range.startLsn, range.endLsn), promise, () => {
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
