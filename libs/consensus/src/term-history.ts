/**
 * Term history: where in a timeline's WAL each term began.
 *
 * Postgres' WAL records carry no term, so the log of an acceptor is the pair (bytes, term history). Two logs that share
 * a term agree on every byte up to the end of that term; the first term they do not share is where they diverge.
 *
 *   H1  Terms strictly increase, start LSNs never decrease, and there is always an entry: term 0 at the timeline's start. (I6)
 *   H2  `commonPoint(leader, follower)` is the largest LSN at or below the follower's end up to which both logs hold the
 *       same bytes. It is undefined only for logs that cannot belong to one timeline.
 *
 *   H3  A history grows with terms that wrote WAL, not with elections: `append` drops terms in which nothing was written.
 *       No byte belongs to them, so two histories are compared without them, whoever still lists them.
 *
 * @example
 *   const history = TermHistory.append(TermHistory.start(Lsn.parse('0/10')), Term.of(1), Lsn.parse('0/10'));
 *   TermHistory.termAt(history, Lsn.parse('0/20')) // 1
 */
import { Lsn, Term, assert } from '@neon/kernel';

export interface TermSwitch {
  readonly term: Term;
  readonly startLsn: Lsn;
}

export type TermHistory = readonly [TermSwitch, ...TermSwitch[]];

/** A log as its terms and its end: what is compared between a leader and a follower, or between two voters. */
export interface LogPosition {
  readonly termHistory: TermHistory;
  readonly flushLsn: Lsn;
}

const isAfter = (earlier: TermSwitch, later: TermSwitch): boolean =>
  later.term > earlier.term && later.startLsn >= earlier.startLsn;

export const TermHistory = {
  /** The history of a timeline in which nobody was elected yet. */
  start: (startLsn: Lsn): TermHistory => [{ term: Term.ZERO, startLsn }],

  /** @throws RangeError when the entries are not a history (H1). */
  of(entries: readonly TermSwitch[]): TermHistory {
    const [first, ...rest] = entries;
    if (first === undefined) throw new RangeError('a term history has at least one entry');
    let previous = first;
    for (const entry of rest) {
      if (!isAfter(previous, entry))
        throw new RangeError(`term history goes back: ${describe(previous)} then ${describe(entry)}`);
      previous = entry;
    }
    return [first, ...rest];
  },

  startLsn: (history: TermHistory): Lsn => history[0].startLsn,

  last: (history: TermHistory): TermSwitch => history[history.length - 1] ?? history[0],

  /** The entries that a log ending at `endLsn` has reached; a term that begins exactly there counts as reached. */
  upTo(history: TermHistory, endLsn: Lsn): TermHistory {
    const [first, ...rest] = history;
    return [first, ...rest.filter((entry) => entry.startLsn <= endLsn)];
  },

  /** The terms that wrote what lies below `endLsn`. */
  below(history: TermHistory, endLsn: Lsn): TermHistory {
    const [first, ...rest] = history;
    return TermHistory.compact([first, ...rest.filter((entry) => entry.startLsn < endLsn)]);
  },

  /** The term of the last entry that a log ending at `endLsn` has reached. */
  termAt: (history: TermHistory, endLsn: Lsn): Term => TermHistory.last(TermHistory.upTo(history, endLsn)).term,

  append(history: TermHistory, term: Term, startLsn: Lsn): TermHistory {
    const entry = { term, startLsn };
    assert(isAfter(TermHistory.last(history), entry), `H1: ${describe(entry)} follows the last term`);
    return TermHistory.compact([...history, entry]);
  },

  /** H3. The first entry says where the timeline begins and stays; so does the last, which has no end yet. */
  compact(history: TermHistory): TermHistory {
    const [first, ...rest] = history;
    return [first, ...rest.filter((entry, index) => entry.startLsn !== rest[index + 1]?.startLsn)];
  },

  equal: (a: TermHistory, b: TermHistory): boolean =>
    a.length === b.length && a.every((entry, index) => same(entry, b[index])),

  /** Where a follower's log stops being a prefix of the leader's; see H2. */
  commonPoint(leader: TermHistory, follower: LogPosition): Lsn | undefined {
    const leading = TermHistory.compact(leader);
    const reached = TermHistory.compact(TermHistory.upTo(follower.termHistory, follower.flushLsn));
    let shared = 0;
    while (shared < reached.length && same(leading[shared], reached[shared])) shared++;
    if (shared === 0) return undefined;
    const leaderNext = leading[shared];
    const followerNext = reached[shared];
    // One term has one start: the same term at two places means that these are not logs of one timeline.
    if (leaderNext !== undefined && leaderNext.term === followerNext?.term) return undefined;
    const ends = [leaderNext, followerNext].flatMap((entry) => (entry === undefined ? [] : [entry.startLsn]));
    return Lsn.min(follower.flushLsn, ...ends);
  },

  /** Which of two logs has more: by last term, then by length. Negative when `a` has less. */
  compareLogs: (a: LogPosition, b: LogPosition): number =>
    TermHistory.termAt(a.termHistory, a.flushLsn) - TermHistory.termAt(b.termHistory, b.flushLsn) ||
    a.flushLsn - b.flushLsn,
};

const same = (a: TermSwitch | undefined, b: TermSwitch | undefined): boolean =>
  a !== undefined && b !== undefined && a.term === b.term && a.startLsn === b.startLsn;

const describe = (entry: TermSwitch): string => `term ${entry.term} at ${Lsn.format(entry.startLsn)}`;
