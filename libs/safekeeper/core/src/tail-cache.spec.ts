import fc from 'fast-check';
import { Lsn } from '@neon/kernel';
import { TAIL_CACHE_SIZE_MAX, TailCache } from './tail-cache';

const byteAt = (lsn: number): number => (lsn * 31) & 0xff;
const wal = (startLsn: number, size: number) => Uint8Array.from({ length: size }, (_, i) => byteAt(startLsn + i));

describe('the tail cache', () => {
  test('returns what was appended, or nothing (TC1)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 })),
        fc.nat(1500),
        fc.integer({ min: 1, max: 200 }),
        (sizes, at, sizeMax) => {
          const cache = new TailCache();
          let endLsn = 0;
          for (const size of sizes) {
            cache.append(Lsn.of(endLsn), wal(endLsn, size));
            endLsn += size;
          }
          const read = cache.read(Lsn.of(at), sizeMax);
          expect(read && [...read]).toEqual(at < endLsn ? [...wal(at, Math.min(sizeMax, endLsn - at))] : undefined);
        },
      ),
    );
  });

  test('forgets what was cut off (TC1)', () => {
    const cache = new TailCache();
    cache.append(Lsn.of(0), wal(0, 100));
    cache.truncate(Lsn.of(60));
    cache.append(Lsn.of(60), Uint8Array.of(1, 2, 3));
    expect(cache.read(Lsn.of(60), 10)).toEqual(Uint8Array.of(1, 2, 3));
    expect(cache.read(Lsn.of(40), 10)).toBeUndefined();
  });

  test('begins anew where appends leave a gap (TC1)', () => {
    const cache = new TailCache();
    cache.append(Lsn.of(0), wal(0, 100));
    cache.append(Lsn.of(200), wal(200, 100));
    expect(cache.read(Lsn.of(50), 10)).toBeUndefined();
    expect(cache.read(Lsn.of(250), 10)).toEqual(wal(250, 10));
  });

  test('holds a bounded number of bytes, the newest ones (TC2)', () => {
    const cache = new TailCache();
    const piece = 64 * 1024;
    for (let lsn = 0; lsn < 3 * TAIL_CACHE_SIZE_MAX; lsn += piece) cache.append(Lsn.of(lsn), new Uint8Array(piece));
    expect(cache.read(Lsn.of(2 * TAIL_CACHE_SIZE_MAX - 1), 1)).toBeUndefined();
    expect(cache.read(Lsn.of(2 * TAIL_CACHE_SIZE_MAX), 1)).toHaveLength(1);
  });
});
