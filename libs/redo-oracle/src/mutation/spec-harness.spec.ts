import { catchesOf, collectSpecs } from './spec-harness';
import * as switches from './switch';

/** A library with two places to break. */
const half = (value: number): number => (switches.on(0) ? value : value / (switches.on(1) ? 2.5 : 2));

const job = { switches, mutantCount: 3, candidates: [0, 1, 2] };
const jestTest = test;

test('P2: a mutant is caught by the first spec that passes its place and fails with it', () => {
  const specs = collectSpecs({
    'half.spec.ts': () => {
      describe('half', () => {
        it('of nothing is nothing', () => expect(half(0)).toBe(0));
        test.each([
          [4, 2],
          [10, 5],
        ])('of %d is %d', (whole, expected) => expect(half(whole)).toBe(expected));
      });
      describe.each(['other'])('%s', () => test('things pass no place', () => undefined));
    },
  });
  expect(test).toBe(jestTest);
  expect(specs.map(({ name }) => name)).toEqual([
    'half.spec.ts: half of nothing is nothing',
    'half.spec.ts: half of 4 is 2',
    'half.spec.ts: half of 10 is 5',
    'half.spec.ts: other things pass no place',
  ]);
  expect(catchesOf(specs, job)).toEqual([
    [0, 'half.spec.ts: half of 4 is 2'],
    [1, 'half.spec.ts: half of 4 is 2'],
  ]);
});

test('P1: a spec that fails without a mutant, or ends later, is not taken for one that catches', () => {
  const specsOf = (run: () => unknown) => collectSpecs({ 'wrong.spec.ts': () => test('wrong', () => run() as void) });
  const failing = (): void => {
    throw new Error('always');
  };
  for (const run of [failing, () => Promise.resolve()])
    expect(() => catchesOf(specsOf(run), job)).toThrow('does not hold without a mutant: wrong.spec.ts: wrong');
});
