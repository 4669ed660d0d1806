import { Allowance } from './allowance';

test('each mutant may be tried so often on each way, and no more', () => {
  const allowance = new Allowance((id) => (id === 1 ? 2 : 1));
  expect([1, 2, 3].map(() => allowance.take(1, 70))).toEqual([true, true, false]);
  expect(allowance.take(1, -70)).toBe(true);
  expect([1, 2].map(() => allowance.take(2, 70))).toEqual([true, false]);
});
