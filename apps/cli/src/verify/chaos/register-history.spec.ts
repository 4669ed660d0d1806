import { SeededRandom } from '@neon/simulation';
import { INITIAL_VALUE, type RegisterOperation, checkRegister } from './register-history';

const write = (value: number, invokedAt: number, respondedAt: number | null): RegisterOperation => ({
  kind: 'write',
  value,
  invokedAt,
  respondedAt,
});
const read = (value: number, invokedAt: number, respondedAt: number): RegisterOperation => ({
  kind: 'read',
  value,
  invokedAt,
  respondedAt,
});

describe('a history that is linearizable', () => {
  it.each<[string, RegisterOperation[]]>([
    ['of nothing', []],
    ['of one read of what was there at first', [read(0, 1, 2)]],
    ['with reads on both sides of a write that they overlap', [write(1, 1, 10), read(0, 2, 3), read(1, 4, 5)]],
    ['with two writes at once, read in either order', [write(1, 1, 4), write(2, 2, 3), read(1, 5, 6)]],
    ['with a write in doubt that nobody saw', [write(1, 1, 2), write(2, 3, null), read(1, 4, 5)]],
    [
      'with a write in doubt that took effect long after',
      [write(1, 1, null), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7)],
    ],
  ])('%s', (_name, history) => expect(checkRegister(history)).toEqual([]));
});

describe('a history that is not', () => {
  it.each<[string, RegisterOperation[]]>([
    ['an acknowledged write that is lost', [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)]],
    ['the only acknowledged write lost', [write(1, 1, 2), read(0, 3, 4)]],
    ['a stale read', [write(1, 1, 2), write(2, 3, 4), read(2, 5, 6), read(1, 7, 8)]],
    ['a value that was seen and is gone', [write(1, 1, null), read(1, 2, 3), read(0, 4, 5)]],
    ['two values by turns', [write(1, 1, 3), write(2, 2, 4), read(1, 5, 6), read(2, 7, 8), read(1, 9, 10)]],
    ['a value that failed for certain', [write(1, 1, 2), read(9, 3, 4)]],
    ['a value from the future', [read(1, 1, 2), write(1, 3, 4)]],
  ])('%s', (_name, history) => expect(checkRegister(history)).not.toEqual([]));
});

it('a value written twice cannot be judged', () => {
  expect(() => checkRegister([write(1, 1, 2), write(1, 3, 4)])).toThrow('written twice');
});

/** Searches all orders (Wing and Gong): takes next any operation that was asked for before every answer still to come. */
function searchOrder(operations: readonly RegisterOperation[]): boolean {
  const end = (operation: RegisterOperation): number => operation.respondedAt ?? Number.POSITIVE_INFINITY;
  const place = (rest: readonly RegisterOperation[], value: number): boolean => {
    if (rest.every(({ respondedAt }) => respondedAt === null)) return true;
    const firstEnd = Math.min(...rest.map(end));
    return rest.some((next, index) => {
      if (next.invokedAt > firstEnd) return false;
      if (next.kind === 'read' && next.value !== value) return false;
      return place([...rest.slice(0, index), ...rest.slice(index + 1)], next.kind === 'write' ? next.value : value);
    });
  };
  return place(operations, INITIAL_VALUE);
}

/** Clients that overlap, on a register that works; then, often, one read is changed. */
function randomHistory(seed: number): RegisterOperation[] {
  const random = new SeededRandom(seed);
  const count = random.between(1, 9);
  const moments = Array.from({ length: count }, (_, index) => {
    const effectAt = random.between(0, 1_000) * 100;
    const isWrite = random.chance(0.5);
    const isInDoubt = isWrite && random.chance(0.3);
    return {
      isWrite,
      isInDoubt,
      hasEffect: !isInDoubt || random.chance(0.5),
      id: index + 1,
      effectAt: effectAt + index,
      invokedAt: effectAt + index - random.between(1, 20_000) - index / 100,
      respondedAt: effectAt + index + random.between(1, 20_000) + index / 100,
    };
  }).sort((a, b) => a.effectAt - b.effectAt);
  let value = INITIAL_VALUE;
  const history = moments.map(({ isWrite, isInDoubt, hasEffect, id, invokedAt, respondedAt }): RegisterOperation => {
    if (!isWrite) return { kind: 'read', value, invokedAt, respondedAt };
    if (hasEffect) value = id;
    return { kind: 'write', value: id, invokedAt, respondedAt: isInDoubt ? null : respondedAt };
  });
  if (random.chance(0.3)) return history;
  const changed = random.between(0, history.length);
  return history.map((operation, index) =>
    index === changed && operation.kind === 'read' ? { ...operation, value: random.between(0, count + 2) } : operation,
  );
}

it('G1: judges as the search of all orders does', () => {
  const verdicts = { right: 0, wrong: 0 };
  for (let seed = 0; seed < 20_000; seed++) {
    const history = randomHistory(seed);
    const isLinearizable = searchOrder(history);
    verdicts[isLinearizable ? 'right' : 'wrong'] += 1;
    if ((checkRegister(history).length === 0) !== isLinearizable)
      throw new Error(`seed ${seed}: ${JSON.stringify(history)} is ${isLinearizable ? '' : 'not '}linearizable`);
  }
  expect(verdicts.right).toBeGreaterThan(5_000);
  expect(verdicts.wrong).toBeGreaterThan(2_000);
});
