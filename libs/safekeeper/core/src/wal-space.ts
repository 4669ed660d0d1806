/**
 * How much WAL a safekeeper keeps, and how full that makes it.
 *
 *   WS1  `fullness` is FULL exactly when no more WAL may be taken: a limit is reached, or the disk has no room to spare.
 *   WS2  It rises before that, so that writers can slow down: from 50 when half of a limit is used.
 *   WS3  Whoever waits for room is called when there may be some.
 */
import { FULL } from '@neon/consensus';

/** In bytes of WAL; Infinity for none. */
export interface WalLimits {
  readonly safekeeperBytesMax: number;
  /** Of each timeline: one whose pageserver lags must not take the room of the others. */
  readonly timelineBytesMax: number;
}

export const UNLIMITED: WalLimits = { safekeeperBytesMax: Infinity, timelineBytesMax: Infinity };

export class WalSpace {
  private keptTotal = 0;
  private disk = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly limits: WalLimits = UNLIMITED) {}

  get keptBytes(): number {
    return this.keptTotal;
  }

  /** Of the safekeeper, whatever its timelines' own limits say. */
  get fullness(): number {
    return Math.max(this.disk, percentOf(this.keptTotal, this.limits.safekeeperBytesMax));
  }

  /** What a look at the disk has shown, 0 to 100. */
  setDiskFullness(percent: number): void {
    const hasFallen = percent < this.disk;
    this.disk = percent;
    if (hasFallen) this.callWaiting();
  }

  account(): WalAccount {
    return new WalAccount(this, this.limits.timelineBytesMax, (bytes) => {
      this.keptTotal += bytes;
      if (bytes < 0) this.callWaiting();
    });
  }

  /** WS3. @returns a function that ends the wait */
  onRoom(listener: () => void): () => void {
    this.waiting.add(listener);
    return () => this.waiting.delete(listener);
  }

  private callWaiting(): void {
    for (const listener of [...this.waiting]) listener();
  }
}

/** One timeline's part. */
export class WalAccount {
  private kept = 0;

  constructor(
    private readonly space: WalSpace,
    private readonly bytesMax: number,
    private readonly change: (bytes: number) => void,
  ) {}

  get keptBytes(): number {
    return this.kept;
  }

  /** WS1, WS2. */
  get fullness(): number {
    return Math.max(this.space.fullness, percentOf(this.kept, this.bytesMax));
  }

  set(bytes: number): void {
    const difference = bytes - this.kept;
    this.kept = bytes;
    if (difference !== 0) this.change(difference);
  }
}

const percentOf = (bytes: number, bytesMax: number): number => Math.min(FULL, Math.floor((FULL * bytes) / bytesMax));

/** What room there is on a disk, as a fullness: 100 at `freeBytesMin`, 50 at twice as much, less above. */
export const diskFullness = (freeBytes: number, freeBytesMin: number): number =>
  freeBytes <= freeBytesMin ? FULL : Math.min(FULL - 1, Math.floor((FULL * freeBytesMin) / freeBytes));
