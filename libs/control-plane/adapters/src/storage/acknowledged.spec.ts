import { Membership } from '@neon/consensus';
import { Lsn, SafekeeperId } from '@neon/kernel';
import { Electorate, type SafekeeperPosition, assess as assessOf, keyOf } from './acknowledged';

const lsn = (value: number): string => Lsn.format(Lsn.of(value));

const at = (
  history: Record<number, number>,
  flush: number,
  commit = 100,
  term = Math.max(...Object.keys(history).map(Number)),
): SafekeeperPosition => ({
  term,
  incarnation: 'a',
  termHistory: Object.entries(history).map(([term, startLsn]) => ({ term: Number(term), startLsn: lsn(startLsn) })),
  flushLsn: lsn(flush),
  commitLsn: lsn(commit),
  startLsn: lsn(100),
});
/** Of founders 1, 2, …, of whom the last do not answer. */
const assess = (positions: readonly SafekeeperPosition[], count: number) => {
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const answers = positions.map((position, index) => [String(index + 1), position] as const);
  return assessOf(new Map(answers), Electorate.of(Membership.founding(1), ids));
};
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

describe('listed members', () => {
  const member = (id: number) => ({ safekeeperId: SafekeeperId.of(id), incarnation: 'a' });
  const settled = Membership.settled(2, [1, 2, 3].map(member));
  const joint = Membership.joint(settled, [1, 2, 4].map(member));
  const answersOf = (positions: Record<number, SafekeeperPosition>) =>
    new Map(Object.entries(positions).map(([id, position]) => [keyOf(member(Number(id))), position]));
  const assessIn = (membership: Membership, positions: Record<number, SafekeeperPosition>) =>
    assessOf(answersOf(positions), Electorate.of(membership, []));

  it('K1: of a joint membership the former ones tell what was acknowledged: the others may not know of it yet', () => {
    const positions = { 1: at(STEADY, 200), 2: at(STEADY, 180), 3: at(STEADY, 170), 4: at({ 0: 100 }, 100) };
    expect(assessIn(joint, positions).acknowledgedMaxLsn).toBe(180);
  });

  it('K2: of a joint membership a majority of each set must hold it', () => {
    const [ahead, behind] = [at(STEADY, 200), at(STEADY, 150)];
    expect(assessIn(joint, { 1: ahead, 3: ahead, 2: behind, 4: behind }).chosen).toEqual({ term: 3, lsn: 150 });
    expect(assessIn(joint, { 1: ahead, 3: ahead, 2: behind, 4: ahead }).chosen).toEqual({ term: 3, lsn: 200 });
    expect(assessIn(joint, { 1: ahead, 3: ahead }).chosen).toBeNull();
  });

  it('K2: a member and the one that it was seeded from are one witness: in a later term neither counts', () => {
    // The leader of term 7 was elected by 2 and 3, with a shorter log; 1 voted for it late, and 4 was seeded from 1.
    const seeded = at(STEADY, 200, 100, 7);
    const positions = { 1: at(STEADY, 200, 100, 7), 4: seeded, 2: at(STEADY, 150, 100, 7) };
    expect(assessIn(Membership.finish(joint), positions).chosen).toBeNull();
  });

  it('another disk of a member is nobody', () => {
    const position = at(STEADY, 200);
    const stranger = keyOf({ safekeeperId: 2, incarnation: 'b' });
    const answers = new Map([...answersOf({ 1: position, 3: at(STEADY, 150) }), [stranger, position]]);
    expect(assessOf(answers, Electorate.of(settled, [])).chosen).toEqual({ term: 3, lsn: 150 });
  });
});
