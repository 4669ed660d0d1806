import { InlineWrites } from './inline-writes';

const [ONE, OTHER] = [{}, {}];
const SIZE = 4096;

let inline: InlineWrites;
const took = (durationMs: number, { times }: { times: number }): void => {
  for (let i = 0; i < times; i++) inline.took(durationMs);
};
beforeEach(() => {
  inline = new InlineWrites();
  inline.begin(ONE, SIZE, 0);
  took(0.1, { times: 20 });
});

test('small writes of one timeline to a fast disk are made in the loop', () => {
  expect(inline.begin(ONE, SIZE, 1_000)).toBe(true);
});

test('large ones are not', () => {
  expect(inline.begin(ONE, 64 * 1024, 1_000)).toBe(false);
});

test('nor are those to a disk that nothing is known of', () => {
  const fresh = new InlineWrites();
  fresh.begin(ONE, SIZE, 0);
  expect(fresh.begin(ONE, SIZE, 1_000)).toBe(false);
});

test('IW1: no timeline waits for the write of another one', () => {
  for (let nowMs = 1_000; nowMs < 2_000; nowMs += 5) {
    expect(inline.begin(OTHER, SIZE, nowMs)).toBe(false);
    expect(inline.begin(ONE, SIZE, nowMs + 2)).toBe(false);
  }
  expect(inline.begin(ONE, SIZE, 2_100)).toBe(true);
});

test.each([
  ['slow', 3, 20],
  ['stalled once', 10_000, 1],
])('IW2: a disk that is %s is waited for in the pool, until it is fast again', (_what, durationMs, times) => {
  took(durationMs, { times });
  expect(inline.begin(ONE, SIZE, 1_000)).toBe(false);
  took(0.1, { times: 100 });
  expect(inline.begin(ONE, SIZE, 1_100)).toBe(true);
});

test('IW2: one write that takes somewhat longer changes nothing', () => {
  took(5, { times: 1 });
  expect(inline.begin(ONE, SIZE, 1_000)).toBe(true);
});
