import { Lsn } from '@neon/kernel';
import * as fc from 'fast-check';
import { DEFAULT_LIMITS, RATE_MIN, type WalPositions, pressureOf, walDelay, walRate } from './backpressure';

const MEBIBYTE = 1024 * 1024;
const WRITTEN = Lsn.of(2 ** 40);
const at = (change: Partial<WalPositions>): WalPositions => ({
  writtenLsn: WRITTEN,
  receivedLsn: WRITTEN,
  durableLsn: WRITTEN,
  fullness: 0,
  ...change,
});
const behind = (bytes: number): Lsn => Lsn.of(WRITTEN - bytes);
const pressure = (change: Partial<WalPositions>) => pressureOf(at(change), DEFAULT_LIMITS);

describe('pressure (B1)', () => {
  test('is 1 at each bound, and says whose it is', () => {
    expect(pressure({ receivedLsn: behind(500 * MEBIBYTE) })).toEqual({ value: 1, cause: 'pageserver ingest' });
    expect(pressure({ durableLsn: behind(10 * 1024 * MEBIBYTE) })).toEqual({ value: 1, cause: 'pageserver storage' });
    expect(pressure({ fullness: 100 })).toEqual({ value: 1, cause: 'safekeepers' });
  });

  test('is the worst of them', () => {
    const lagging = { receivedLsn: behind(250 * MEBIBYTE), durableLsn: behind(1024 * MEBIBYTE) };
    expect(pressure({ ...lagging, fullness: 49 })).toEqual({ value: 0.5, cause: 'pageserver ingest' });
    expect(pressure({ ...lagging, fullness: 51 })).toEqual({ value: 0.51, cause: 'safekeepers' });
  });

  test('is none where a pageserver has more than Postgres is known to have written', () => {
    expect(pressure({ receivedLsn: behind(-1), durableLsn: behind(-1) }).value).toBe(0);
  });
});

describe('the delay of WAL (B2, B3)', () => {
  test('is none up to half of a bound, 1 MiB/s at the bound, and never below the least rate', () => {
    expect(walDelay(0.5)).toBe(0);
    expect(walRate(walDelay(0.75)) / MEBIBYTE).toBeCloseTo(17, 0);
    expect(walRate(walDelay(1)) / MEBIBYTE).toBeCloseTo(1, 1);
    expect(walRate(walDelay(1e9))).toBe(RATE_MIN);
    expect(walDelay(NaN)).toBe(0);
  });

  test('grows with pressure, and a thousandth more of pressure never makes it jump', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 3, noNaN: true }), (value) => {
        const [less, more] = [walDelay(value), walDelay(value + 0.001)];
        expect(more).toBeGreaterThanOrEqual(less);
        // 2^(16/1000) is 1.1 %; near zero it grows by less than 100 ns.
        expect(more - less).toBeLessThanOrEqual(100 + 0.012 * less);
        expect(Number.isInteger(more) && more < 2 ** 32).toBe(true);
      }),
    );
  });

  test('a writer and a pageserver of any speed settle within the bound, far from a stop', () => {
    for (const ingest of [2, 20, 60, 200]) {
      let lag = 0;
      const stepMs = 100;
      const rates: number[] = [];
      for (let at = 0; at < 600_000; at += stepMs) {
        const delay = walDelay(lag / DEFAULT_LIMITS.receivedLagBytesMax);
        const rate = 1 / (1 / (400 * MEBIBYTE) + 1 / walRate(delay));
        lag = Math.max(0, lag + ((rate - ingest * MEBIBYTE) * stepMs) / 1000);
        rates.push(rate / MEBIBYTE);
        expect(lag).toBeLessThan(DEFAULT_LIMITS.receivedLagBytesMax);
      }
      for (const rate of rates.slice(-10)) expect(Math.abs(rate - ingest) / ingest).toBeLessThan(0.01);
    }
  });

  test('a pageserver that stands still is left behind by the bound, and by the least rate from then on', () => {
    let lag = 0;
    const day = 24 * 3600;
    for (let second = 0; second < day; second += 0.5)
      lag += walRate(Math.max(walDelay(lag / DEFAULT_LIMITS.receivedLagBytesMax), 2441)) * 0.5;
    expect(lag).toBeLessThan(1.13 * DEFAULT_LIMITS.receivedLagBytesMax + RATE_MIN * day);
  });
});
