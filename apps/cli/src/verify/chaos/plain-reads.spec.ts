import { judgePlainReads } from './plain-reads';

const HISTORY = new Map([
  [
    1,
    [
      { kind: 'write', value: 10, invokedAt: 1, respondedAt: 2 },
      { kind: 'write', value: 20, invokedAt: 3, respondedAt: 6 },
      { kind: 'write', value: 30, invokedAt: 8, respondedAt: null },
    ] as const,
  ],
]);
const judge = (value: number, invokedAt: number) =>
  judgePlainReads(HISTORY, [{ key: 1, value, invokedAt, respondedAt: invokedAt + 0.5 }]);

it('a value is fresh until another was acknowledged, or while it is in doubt', () => {
  for (const [value, at] of [
    [0, 0.1],
    [10, 4],
    [20, 4],
    [20, 9],
    [30, 9],
  ] as const)
    expect(judge(value, at)).toEqual({ problems: [], staleCount: 0 });
});

it('an older one is stale, which is counted', () => {
  expect(judge(0, 2.5)).toEqual({ problems: [], staleCount: 1 });
  expect(judge(10, 7)).toEqual({ problems: [], staleCount: 1 });
});

it('a value that nobody wrote, or wrote only later, is a problem', () => {
  expect(judge(99, 7).problems).toHaveLength(1);
  expect(judge(30, 7).problems).toHaveLength(1);
});
