/**
 * Backpressure: how much slower Postgres writes WAL while those who have to take it are behind.
 *
 *   B1  Pressure is the worst of: WAL that the pageserver has not ingested, over its bound; WAL that it might ask for again,
 *       over its bound; how full a quorum of safekeepers is. At a bound, or where the safekeepers take no more, it is 1.
 *   B2  Up to a pressure of ½ nothing is slowed down. From there on the delay of a KiB grows smoothly and without memory, so
 *       that writing settles where it is as fast as what lags: 17 MiB/s at ¾, 1 MiB/s at 1.
 *   B3  WAL is never written more slowly than RATE_MIN: while anything can go on, it does. A pageserver that stands still is
 *       left behind by the bound and at most that rate.
 *
 * @example walDelay(pressureOf(walproposer.positions, DEFAULT_LIMITS).value) // nanoseconds for each KiB of WAL
 */
import { FULL } from '@neon/consensus';
import type { Lsn } from '@neon/kernel';

const MEBIBYTE = 1024 * 1024;

export interface WalPositions {
  /** Up to where Postgres has written WAL. */
  readonly writtenLsn: Lsn;
  /** Up to where the pageserver has ingested it. */
  readonly receivedLsn: Lsn;
  /** Below it the pageserver asks for nothing again. */
  readonly durableLsn: Lsn;
  /** Of a quorum of safekeepers, in percent: at `FULL` nothing is committed. */
  readonly fullness: number;
}

export interface BackpressureLimits {
  readonly receivedLagBytesMax: number;
  readonly durableLagBytesMax: number;
}

/** A page is read as of now only when the WAL below is ingested: 500 MB is seconds of that. The rest costs disk alone. */
export const DEFAULT_LIMITS: BackpressureLimits = {
  receivedLagBytesMax: 500 * MEBIBYTE,
  durableLagBytesMax: 10 * 1024 * MEBIBYTE,
};

export type PressureCause = 'pageserver ingest' | 'pageserver storage' | 'safekeepers';

export interface Pressure {
  /** 0 and up. */
  readonly value: number;
  readonly cause: PressureCause;
}

/** B1. */
export function pressureOf(positions: WalPositions, limits: BackpressureLimits): Pressure {
  const { writtenLsn, receivedLsn, durableLsn, fullness } = positions;
  const parts: Pressure[] = [
    { cause: 'pageserver ingest', value: Math.max(0, writtenLsn - receivedLsn) / limits.receivedLagBytesMax },
    { cause: 'pageserver storage', value: Math.max(0, writtenLsn - durableLsn) / limits.durableLagBytesMax },
  ];
  return parts.reduce((worst, part) => (part.value > worst.value ? part : worst), {
    cause: 'safekeepers',
    value: fullness / FULL,
  });
}

/** Faster than any one Postgres writes: where slowing down begins nothing is felt of it. */
const RATE_MAX = 256 * MEBIBYTE;
/** A small commit writes a page: 32 ms. One that comes behind full WAL buffers of 4 MiB waits for these: 16 s. */
export const RATE_MIN = MEBIBYTE / 4;
const PRESSURE_MIN = 0.5;
/** The rate halves with each sixteenth, and is RATE_MAX / 2⁸ at a pressure of 1. */
const HALVINGS = 16;

const NANOSECONDS = 1e9;
const delayAt = (bytesPerSecond: number): number => (NANOSECONDS * 1024) / bytesPerSecond;

/** B2, B3: in whole nanoseconds for each KiB of WAL. */
export function walDelay(pressure: number): number {
  if (!(pressure > PRESSURE_MIN)) return 0;
  const steep = 2 ** (HALVINGS * (pressure - PRESSURE_MIN)) - 1;
  return Math.round(Math.min(delayAt(RATE_MAX) * steep, delayAt(RATE_MIN)));
}

/** In bytes a second; Infinity without a delay. */
export const walRate = (delay: number): number => (NANOSECONDS * 1024) / delay;
