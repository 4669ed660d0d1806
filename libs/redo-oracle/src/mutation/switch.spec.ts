import { branch, collect, ignore, on, passed, runWith, scratch, setUp, step } from './switch';

/** As modules make them when they are loaded: before anything is set up. */
const buffer = scratch(new Uint8Array(2));
const table = scratch(Uint8Array.of(0, 7));

beforeEach(() => setUp(10));

test('W1: a mutant is on while something is run with it', () => {
  expect(runWith(3, () => [on(3), on(4)])).toEqual([true, false]);
  expect(() => runWith(3, () => on(3) && throwing())).toThrow('thrown');
  expect(on(3)).toBe(false);
});

test('W2: passed mutants are told once, without ignored ones', () => {
  ignore(5);
  collect();
  for (const id of [2, 5, 2, 7]) on(id);
  expect(passed().mutants).toEqual([2, 7]);
  on(8);
  collect();
  expect(passed().mutants).toEqual([]);
});

test('W2: the same way has the same path, with ignored mutants too', () => {
  const way = (ids: readonly number[]): number => {
    collect();
    for (const id of ids) on(id);
    return passed().path;
  };
  const path = way([1, 2, 3]);
  ignore(2);
  expect(way([1, 2, 3])).toBe(path);
  expect(way([1, 3])).not.toBe(path);
});

test('W2: the path tells what conditions held, however often', () => {
  const way = (values: readonly boolean[]): number => {
    collect();
    for (const value of values) branch(4, value);
    return passed().path;
  };
  expect(way([true, true])).toBe(way([true]));
  expect(new Set([way([true]), way([false]), way([false, true])]).size).toBe(3);
});

test('W3: what does not end is stopped, unless as much was needed without a mutant', () => {
  const forever = (): never => {
    for (;;) step();
  };
  expect(() => runWith(1, forever)).toThrow('does not end');
  collect();
  for (let i = 0; i < 200_000; i++) step();
  passed();
  const long = (): void => {
    for (let i = 0; i < 200_000; i++) step();
  };
  expect(() => runWith(1, long)).not.toThrow();
});

test('W4: shared buffers hold garbage when a mutant is tried, tables what they held', () => {
  buffer[0] = 1;
  setUp(10);
  expect(runWith(1, () => [...buffer, ...table])).toEqual([0xa5, 0xa5, 0, 7]);
});

function throwing(): never {
  throw new Error('thrown');
}
