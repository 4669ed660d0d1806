import { Lsn } from '@neon/kernel';
import { chooseSafekeeper } from './safekeeper-choice';

const candidates = [1, 2, 3].map((id) => ({ id, host: 'h', replicationPort: 1 }));
const asked = (count: number, commitLsns: readonly number[], nowMs = 1): (number | undefined)[] => {
  const known = new Map(commitLsns.map((lsn, index) => [index + 1, { commitLsn: Lsn.of(lsn), atMs: 0 }]));
  return Array.from({ length: count }, (_, attempt) => chooseSafekeeper({ candidates, known, nowMs, attempt })?.id);
};

it.each([1, 2, 3])('C1: is the one that has committed most, and every third time another one in turn: %d', (best) => {
  const commitLsns = [1, 2, 3].map((id) => (id === best ? 2_000 : 1_000));
  expect(asked(9, commitLsns)).toEqual([best, best, 1, best, best, 2, best, best, 3]);
});

it('C1, C2: is each in turn when nothing fresh is known', () => {
  const stale = 60_000;
  for (const choices of [asked(9, []), asked(9, [1, 2, 3], stale)])
    expect(new Set(choices)).toEqual(new Set([1, 2, 3]));
});

it('is nobody of none', () => {
  for (const attempt of [0, 1, 2])
    expect(chooseSafekeeper({ candidates: [], known: new Map(), nowMs: 1, attempt })).toBeNull();
});
