import { Lsn } from '@neon/kernel';
import { type SafekeeperPosition, assess } from './acknowledged';

const lsn = (value: number): string => Lsn.format(Lsn.of(value));

const at = (history: Record<number, number>, flush: number, commit = 100): SafekeeperPosition => ({
  termHistory: Object.entries(history).map(([term, startLsn]) => ({ term: Number(term), startLsn: lsn(startLsn) })),
  flushLsn: lsn(flush),
  commitLsn: lsn(commit),
  startLsn: lsn(100),
});
const STEADY = { 0: 100, 3: 120 };

describe('K1: what may have been acknowledged', () => {
  it('is what a quorum has flushed, when all answer', () => {
    expect(assess([at(STEADY, 200), at(STEADY, 180), at(STEADY, 150)], 3).acknowledgedMaxLsn).toBe(180);
  });
  it('is all that anybody has flushed, when one of three does not answer', () => {
    expect(assess([at(STEADY, 200), at(STEADY, 150)], 3).acknowledgedMaxLsn).toBe(200);
  });
  it('counts logs of whatever term', () => {
    expect(assess([at(STEADY, 200), at({ 0: 100, 5: 110 }, 300), at(STEADY, 150)], 3).acknowledgedMaxLsn).toBe(200);
  });
});

describe('K2: what is committed, known or not', () => {
  it('is what a quorum took in the last term of each', () => {
    expect(assess([at(STEADY, 200), at(STEADY, 180), at(STEADY, 150)], 3).chosen).toEqual({ term: 3, lsn: 180 });
    expect(assess([at(STEADY, 200), at(STEADY, 150)], 3).chosen).toEqual({ term: 3, lsn: 150 });
  });

  it('is nothing of a term that one has left', () => {
    expect(assess([at(STEADY, 200), at({ ...STEADY, 5: 180 }, 190)], 3).chosen).toBeNull();
  });

  it('is not what a later leader copied and did not finish copying: a leader of a term in between may overwrite it', () => {
    // The third began term 4 at 150 with the second's vote. The second took (150, 190] from the leader of term 5.
    const positions = [at(STEADY, 195), at({ ...STEADY, 5: 195 }, 190), at({ ...STEADY, 4: 150 }, 160)];
    expect(assess(positions, 3).chosen).toBeNull();
    expect(assess([at({ ...STEADY, 5: 195 }, 195), at({ ...STEADY, 5: 195 }, 196)], 3).chosen).toEqual({
      term: 5,
      lsn: 195,
    });
  });
});

it('K3: commits that safekeepers know of count from any of them', () => {
  expect(assess([at(STEADY, 200, 150), at(STEADY, 200, 200)], 3)).toMatchObject({
    commitLsn: 200,
    acknowledgedMaxLsn: 200,
  });
});
