import { Fingerprints } from './fingerprints';

const vector = (...words: number[]): Int32Array => Int32Array.from(words);

describe('fingerprints', () => {
  test('know a vector again, and tell it from others, however many there are (F1)', () => {
    const seen = new Fingerprints();
    const count = 300_000;
    for (let n = 0; n < count; n++)
      expect(seen.add(vector(n & 7, n >> 3, n % 5), { parent: 0, step: 0 }) || n).toBe(true);
    for (let n = 0; n < count; n += 1000)
      expect(seen.add(vector(n & 7, n >> 3, n % 5), { parent: 0, step: 0 })).toBe(false);
    expect(seen.count).toBe(count);
    expect(seen.add(vector(1, 0, 0), { parent: 0, step: 0 })).not.toBe(
      seen.add(vector(1, 0, 0), { parent: 0, step: 0 }),
    );
  });

  test('tell the way to a state', () => {
    const seen = new Fingerprints();
    seen.add(vector(0), { parent: 0, step: 0 });
    seen.add(vector(1), { parent: 0, step: 4 });
    seen.add(vector(2), { parent: 1, step: 2 });
    expect(seen.path(2)).toEqual([4, 2]);
    expect(seen.path(0)).toEqual([]);
  });
});
