/**
 * Slows down the writing of WAL while those behind Postgres lag: looks at positions, and sets the delay that the page shim
 * keeps to (`native/wal-pace.c`). How much is `backpressure.ts`.
 *
 *   WP1  The delay in the arena follows the pressure within LOOK_MS.
 *   WP2  The log says when writing begins to be slowed down and when it no longer is, with who is behind and how far; and
 *        once, as an error, when no quorum of safekeepers takes WAL at all.
 *   WP3  Who looks into `pg_stat_activity` sees it too: in the `application_name` of the agent's session.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import {
  type BackpressureLimits,
  FULL,
  type Pressure,
  type PressureCause,
  type WalPositions,
  pressureOf,
  walDelay,
  walRate,
} from '@neon/compute-core';
import { Lsn } from '@neon/kernel';
import type { Logger } from '@neon/telemetry';
import { SESSION_NAME } from '../access/admin-connection';
import { WAL_DELAY_OFFSET } from '../pages/arena';

/** What of the agent's session in Postgres is used here. */
export interface PacedPostgres {
  /** Up to where it has written WAL. */
  writtenLsn(): Promise<Lsn>;
  /** The `application_name` of the agent's session. */
  show(name: string): Promise<void>;
}

export interface WalPaceOptions {
  readonly arena: string;
  readonly limits: BackpressureLimits;
  readonly source: { readonly positions: WalPositions; readonly uncommittedBytes: number };
  readonly postgres: PacedPostgres;
  readonly log: Logger;
}

const LOOK_MS = 50;
/** While WAL waits for its quorum, Postgres is asked itself: what it does not send is not seen in its stream. */
const ASK_MS = 1_000;
/** So long without a delay and it is over; a load makes it come and go. */
const CALM_MS = 5_000;

export class WalPace {
  private readonly arena: number;
  private readonly timer: NodeJS.Timeout;
  private writtenLsn = Lsn.ZERO;
  private askedAt = 0;
  private slowed: { at: number; by: PressureCause } | undefined;
  private isStuck = false;
  private shown = SESSION_NAME;
  private delay = 0;
  private pressure: Pressure = { value: 0, cause: 'pageserver ingest' };
  private lag = 0;

  constructor(private readonly options: WalPaceOptions) {
    this.arena = openSync(options.arena, 'r+');
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** WAL that Postgres has written and the pageserver has not ingested. */
  get lagBytes(): number {
    return this.lag;
  }

  get pressureRatio(): number {
    return this.pressure.value;
  }

  get isDelaying(): boolean {
    return this.delay > 0;
  }

  close(): void {
    clearInterval(this.timer);
    closeSync(this.arena);
  }

  private look(): void {
    const { source, limits } = this.options;
    const now = performance.now();
    this.ask(now);
    const seen = source.positions;
    const positions = { ...seen, writtenLsn: Lsn.max(seen.writtenLsn, this.writtenLsn) };
    this.lag = Math.max(0, positions.writtenLsn - positions.receivedLsn);
    this.pressure = pressureOf(positions, limits);
    this.set(walDelay(this.pressure.value));
    this.tell(positions, now);
    this.show(positions.fullness);
  }

  private ask(now: number): void {
    const { source, postgres } = this.options;
    if (source.uncommittedBytes === 0 || now - this.askedAt < ASK_MS) return;
    this.askedAt = now;
    // A session that does not answer is asked again.
    postgres.writtenLsn().then(
      (lsn) => (this.writtenLsn = lsn),
      () => undefined,
    );
  }

  /** WP1. */
  private set(delay: number): void {
    if (delay === this.delay) return;
    this.delay = delay;
    const word = Buffer.alloc(4);
    word.writeUInt32LE(delay);
    writeSync(this.arena, word, 0, word.length, WAL_DELAY_OFFSET);
  }

  /** WP2. */
  private tell(positions: WalPositions, now: number): void {
    const { log } = this.options;
    if (this.delay > 0) {
      if (this.slowed === undefined) log.warn(this.figures(positions), 'writing of WAL is slowed down');
      this.slowed = { at: now, by: this.pressure.cause };
    }
    if (this.slowed !== undefined && now - this.slowed.at > CALM_MS) {
      this.slowed = undefined;
      log.info(this.figures(positions), 'writing of WAL is no longer slowed down');
    }
    if (this.isStuck === positions.fullness >= FULL) return;
    this.isStuck = !this.isStuck;
    if (this.isStuck) log.error(this.figures(positions), 'no quorum of safekeepers takes WAL: commits wait');
    else log.info(this.figures(positions), 'a quorum of safekeepers takes WAL again');
  }

  private figures({ writtenLsn, durableLsn, fullness }: WalPositions): Record<string, unknown> {
    return {
      cause: this.pressure.cause,
      pressure: Math.round(this.pressure.value * 100) / 100,
      ...(this.delay === 0 ? {} : { rateBytes: Math.round(walRate(this.delay)) }),
      ingestLagBytes: this.lag,
      storageLagBytes: Math.max(0, writtenLsn - durableLsn),
      fullness,
    };
  }

  /** WP3. */
  private show(fullness: number): void {
    const behind = this.slowed === undefined ? '' : `: WAL slowed down, ${this.slowed.by} behind`;
    const name = SESSION_NAME + (fullness >= FULL ? ': commits wait for safekeepers' : behind);
    if (name === this.shown) return;
    this.shown = name;
    // What it could not be told it is told with the next change.
    this.options.postgres.show(name).catch(() => undefined);
  }
}
