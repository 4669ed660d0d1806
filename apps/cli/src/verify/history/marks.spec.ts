import { Lsn } from '@neon/kernel';
import { type Mark, chosen } from './marks';

const at = (lsn: number, openTransactions = 0): Mark => ({ lsn: Lsn.of(lsn), what: '', openTransactions });
const lsns = (marks: readonly Mark[]): number[] => marks.map(({ lsn }) => lsn);

describe('the chosen moments of a run', () => {
  const samples = Array.from({ length: 100 }, (_, i) => at(i));

  it('M1: are those it named and sampled ones from every part of it, in order', () => {
    const marks = lsns(chosen([at(1000), at(41)], samples, 6));
    expect(marks).toHaveLength(6);
    expect(marks).toEqual([...marks].sort((a, b) => a - b));
    expect(marks).toEqual(expect.arrayContaining([41, 1000]));
    for (const [from, to] of [
      [0, 25],
      [25, 50],
      [50, 75],
      [75, 100],
    ] as const)
      expect(marks.some((lsn) => lsn !== 41 && lsn >= from && lsn < to)).toBe(true);
  });

  it('M1: have transactions that had not ended, where there is a choice', () => {
    const busy = samples.map((each) => at(each.lsn, each.lsn % 25 === 3 ? 1 : 0));
    expect(lsns(chosen([], busy, 4))).toEqual([3, 28, 53, 78]);
  });

  it('are told once each, and fewer when there were fewer', () => {
    expect(lsns(chosen([at(5)], [at(5), at(5)], 4))).toEqual([5]);
    expect(chosen([], [], 4)).toEqual([]);
  });
});
