import { IDLE_MS, SegmentCache } from './segment-cache';

describe('segments read back', () => {
  let nowMs: number;
  let due: (() => void)[];
  let cache: SegmentCache;
  let fetched: string[];

  beforeEach(() => {
    nowMs = 0;
    due = [];
    fetched = [];
    cache = new SegmentCache({ sizeMax: 200, clock: { now: () => nowMs }, later: (_ms, run) => void due.push(run) });
  });

  const read = (name: string, size = 100): Promise<Uint8Array> =>
    cache.read(name, size, () => {
      fetched.push(name);
      return Promise.resolve(Buffer.from(name));
    });
  const textOf = async (read: Promise<Uint8Array>): Promise<string> => Buffer.from(await read).toString();
  function pass(ms: number): void {
    nowMs += ms;
    for (const run of due.splice(0)) run();
  }

  test('are fetched once for all who read them (SC1)', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => textOf(read('a'))));
    expect([all, fetched]).toEqual([Array.from({ length: 5 }, () => 'a'), ['a']]);
  });

  test('wait for room, until a reader has come to the end of one (SC2, SC3)', async () => {
    await Promise.all([read('a'), read('b')]);
    const third = textOf(read('c'));
    await Promise.resolve();
    expect(fetched).toEqual(['a', 'b']);
    cache.finished('b');
    expect(await third).toBe('c');
    expect(await textOf(read('a'))).toBe('a');
    expect(fetched).toEqual(['a', 'b', 'c']);
  });

  test('that nobody goes on with make room after a while (SC3)', async () => {
    await Promise.all([read('a'), read('b')]);
    const third = textOf(read('c'));
    pass(IDLE_MS - 1);
    await read('b');
    expect(fetched).toEqual(['a', 'b']);
    pass(1);
    expect(await third).toBe('c');
    await read('b');
    expect(fetched).toEqual(['a', 'b', 'c']);
  });

  test('that are here are read while others wait', async () => {
    await Promise.all([read('a'), read('b')]);
    const third = textOf(read('c'));
    expect(await textOf(read('a'))).toBe('a');
    cache.finished('a');
    expect(await third).toBe('c');
  });

  test('of more than there is room for are read one at a time', async () => {
    expect(await textOf(read('large', 1000))).toBe('large');
    const next = textOf(read('a'));
    cache.finished('large');
    expect(await next).toBe('a');
  });

  test('that could not be fetched are fetched again, and make room (SC4)', async () => {
    const failing = cache.read('a', 200, () => Promise.reject(new Error('away')));
    const next = textOf(read('b'));
    await expect(failing).rejects.toThrow('away');
    expect(await next).toBe('b');
    expect(await textOf(read('a'))).toBe('a');
  });
});
