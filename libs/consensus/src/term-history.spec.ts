import fc from 'fast-check';
import { Lsn, Term } from '@neon/kernel';
import { TermHistory } from './term-history';

const history = (...entries: readonly (readonly [term: number, startLsn: number])[]): TermHistory =>
  TermHistory.of(entries.map(([term, startLsn]) => ({ term: Term.of(term), startLsn: Lsn.of(startLsn) })));
const log = (termHistory: TermHistory, flushLsn: number) => ({ termHistory, flushLsn: Lsn.of(flushLsn) });

describe('a term history', () => {
  test.each([
    ['nothing', []],
    [
      'a term twice',
      [
        [1, 10],
        [1, 20],
      ],
    ],
    [
      'a term that falls',
      [
        [2, 10],
        [1, 20],
      ],
    ],
    [
      'an LSN that falls',
      [
        [1, 20],
        [2, 10],
      ],
    ],
  ] as const)('refuses %s (H1)', (_what, entries) => {
    expect(() => history(...entries)).toThrow(RangeError);
  });

  test('counts a term as reached that begins exactly at the end of the log', () => {
    const terms = history([0, 10], [1, 10], [3, 50]);
    expect(TermHistory.termAt(terms, Lsn.of(50))).toBe(3);
    expect(TermHistory.termAt(terms, Lsn.of(49))).toBe(1);
    expect(TermHistory.upTo(terms, Lsn.of(49))).toEqual(history([0, 10], [1, 10]));
  });
});

describe('a term in which nothing was written', () => {
  const listed = history([0, 10], [1, 10], [3, 50], [4, 50], [5, 50], [7, 90]);

  test('is dropped when the next one begins, the first and the last entry never (H3)', () => {
    expect(TermHistory.compact(listed)).toEqual(history([0, 10], [1, 10], [5, 50], [7, 90]));
    expect(TermHistory.append(listed, Term.of(8), Lsn.of(90))).toEqual(history([0, 10], [1, 10], [5, 50], [8, 90]));
    expect(TermHistory.compact(history([0, 10]))).toEqual(history([0, 10]));
  });

  test('changes no term of the log, wherever it ends (H3)', () => {
    for (let end = 10; end < 100; end++)
      expect(TermHistory.termAt(TermHistory.compact(listed), Lsn.of(end))).toBe(
        TermHistory.termAt(listed, Lsn.of(end)),
      );
  });

  test('does not part two logs, whoever lists it (H2, H3)', () => {
    const compacted = history([0, 10], [1, 10], [5, 50], [7, 90]);
    expect(TermHistory.commonPoint(TermHistory.append(compacted, Term.of(9), Lsn.of(95)), log(listed, 95))).toBe(95);
    expect(TermHistory.commonPoint([...listed, { term: Term.of(9), startLsn: Lsn.of(95) }], log(compacted, 95))).toBe(
      95,
    );
    // The end of the log is where a term begins that its leader had dropped.
    expect(TermHistory.commonPoint(compacted, log(history([0, 10], [1, 10], [3, 50], [4, 50]), 50))).toBe(50);
  });

  test('does not make the history grow: elections alone never fill it (H3)', () => {
    let elected = TermHistory.start(Lsn.of(10));
    for (let term = 1; term <= 100_000; term++) elected = TermHistory.append(elected, Term.of(term), Lsn.of(10));
    expect(elected).toEqual(history([0, 10], [100_000, 10]));
  });
});

describe('the common point of two logs', () => {
  const leader = history([0, 10], [1, 10], [2, 50], [5, 80]);

  test.each([
    ['a follower that is a prefix ends where it ends', log(history([0, 10], [1, 10]), 40), 40],
    [
      'a follower with more of a shared term ends where the leader left that term',
      log(history([0, 10], [1, 10]), 70),
      50,
    ],
    ['a follower with a term the leader lacks ends where that began', log(history([0, 10], [1, 10], [3, 30]), 90), 30],
    ['the same holds when the leader left the shared term first', log(history([0, 10], [1, 10], [3, 60]), 90), 50],
    ['an empty log has its start in common', log(history([0, 10]), 10), 10],
    ['a history adopted ahead of the log does not count', log(leader, 40), 40],
    ['a follower of this very term has everything in common', log(leader, 200), 200],
  ])('%s (H2)', (_rule, follower, expected) => {
    expect(TermHistory.commonPoint(leader, follower)).toBe(expected);
  });

  test.each([
    ['another timeline start', log(history([0, 11], [1, 11]), 40)],
    ['one term at two places', log(history([0, 10], [1, 10], [2, 51]), 90)],
  ])('there is none with %s (H2)', (_what, follower) => {
    expect(TermHistory.commonPoint(leader, follower)).toBeUndefined();
  });

  /** Logs grown by random elections, as sets of (LSN, term) of every byte: the model that H2 speaks of. */
  test('is where the bytes of two logs first differ, for any leader and follower of one timeline (H2)', () => {
    // Many terms write nothing; and each history may be one that still lists them.
    const length = fc.oneof(fc.constant(0), fc.nat(12));
    const isListed = fc.boolean();
    const fork = fc.record({ at: fc.nat(30), rest: fc.array(length, { maxLength: 5 }), isListed });
    fc.assert(
      fc.property(fc.array(length, { maxLength: 6 }), fork, fork, (base, one, two) => {
        const first = grow(base, one, 100);
        const second = grow(base, two, 200);
        const entry = { term: Term.of(999), startLsn: first.flushLsn };
        const leading = TermHistory.of([...first.termHistory, entry]);
        const common = TermHistory.commonPoint(leading, second);
        let expected = 0;
        while (
          expected < Math.min(first.flushLsn, second.flushLsn) &&
          termOfByte(first, expected) === termOfByte(second, expected)
        )
          expected++;
        expect(common).toBe(expected);
      }),
    );
  });

  function grow(
    base: readonly number[],
    fork: { at: number; rest: readonly number[]; isListed: boolean },
    termBase: number,
  ) {
    const append = (history: TermHistory, term: Term, startLsn: Lsn) =>
      fork.isListed ? TermHistory.of([...history, { term, startLsn }]) : TermHistory.append(history, term, startLsn);
    let termHistory = TermHistory.start(Lsn.ZERO);
    let endLsn = 0;
    base.forEach((length, index) => {
      termHistory = append(termHistory, Term.of(index + 1), Lsn.of(endLsn));
      endLsn += length;
    });
    // A fork leaves the shared log somewhere, and later terms of its own follow.
    endLsn = Math.min(endLsn, fork.at);
    termHistory = TermHistory.upTo(termHistory, Lsn.of(endLsn));
    fork.rest.forEach((length, index) => {
      termHistory = append(termHistory, Term.of(termBase + index), Lsn.of(endLsn));
      endLsn += length;
    });
    return { termHistory, flushLsn: Lsn.of(endLsn) };
  }

  function termOfByte({ termHistory }: { termHistory: TermHistory }, lsn: number): number {
    return termHistory.filter(({ startLsn }) => startLsn <= lsn).at(-1)?.term ?? -1;
  }
});
