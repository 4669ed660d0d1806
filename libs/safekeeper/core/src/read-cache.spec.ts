import { ReadCache } from './read-cache';

describe('the read cache', () => {
  const bytesOf = (lsn: number): Uint8Array => Uint8Array.of(lsn);
  let loads: number[];
  const reader = (cache: ReadCache, owner = cache.owner()) => ({
    read: (lsn: number) =>
      cache.read({ owner, lsn, size: 10 }, () => {
        loads.push(lsn);
        return Promise.resolve(bytesOf(lsn));
      }),
  });
  beforeEach(() => (loads = []));

  test('reads a block once for all that ask at once or later (CH1)', async () => {
    const { read } = reader(new ReadCache(100));
    expect(await Promise.all([read(7), read(7), read(8)])).toEqual([bytesOf(7), bytesOf(7), bytesOf(8)]);
    await read(7);
    expect(loads).toEqual([7, 8]);
  });

  test('keeps timelines apart (CH1)', async () => {
    const cache = new ReadCache(100);
    await reader(cache).read(7);
    await reader(cache).read(7);
    expect(loads).toEqual([7, 7]);
  });

  test('drops what was not used for longest (CH2)', async () => {
    const { read } = reader(new ReadCache(30));
    for (const lsn of [1, 2, 3, 1, 4, 1, 3, 2]) await read(lsn);
    expect(loads).toEqual([1, 2, 3, 4, 2]);
  });

  test('asks again for what could not be read (CH3)', async () => {
    const cache = new ReadCache(30);
    const block = { owner: cache.owner(), lsn: 1, size: 10 };
    await expect(cache.read(block, () => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
    expect(await cache.read(block, () => Promise.resolve(bytesOf(1)))).toEqual(bytesOf(1));
  });
});
