/**
 * Brings safekeepers that were away back into every timeline, and tells pageservers of safekeepers that moved.
 *
 * Whatever happened while a safekeeper, or this process, was away is not remembered anywhere: when a safekeeper shows up, every
 * branch is gone through. Each step is a no-op on a timeline that is complete. A branch that cannot be completed yet is tried
 * again after a while.
 */
import type { BranchAddress, Placement } from '@neon/control-plane-core';
import type { Clock } from '@neon/kernel';
import type { HttpBranchStorage } from './http-branch-storage';

export interface StoredBranch {
  readonly address: BranchAddress;
  readonly placement: Placement;
}

/** A node that has not reported for this long was away. */
const AWAY_MS = 10_000;
const RETRY_MS = 3_000;

export class StorageCare {
  private readonly seenAt = new Map<number, number>();
  private dueAt = Infinity;

  constructor(
    private readonly storage: HttpBranchStorage,
    private readonly clock: Clock,
    private readonly branches: () => Promise<readonly StoredBranch[]>,
    private readonly onFault: (error: unknown, address: BranchAddress) => void,
  ) {}

  safekeeperSeen(safekeeperId: number, { moved }: { moved: boolean }): void {
    const now = this.clock.now();
    const last = this.seenAt.get(safekeeperId);
    this.seenAt.set(safekeeperId, now);
    if (moved || last === undefined || now - last > AWAY_MS) this.dueAt = now;
  }

  /** Something was left incomplete. */
  incomplete(): void {
    this.dueAt = Math.min(this.dueAt, this.clock.now() + RETRY_MS);
  }

  async look(): Promise<void> {
    if (this.clock.now() < this.dueAt) return;
    this.dueAt = Infinity;
    for (const { address, placement } of await this.branches()) {
      try {
        await this.storage.repair(address, placement);
      } catch (error) {
        this.onFault(error, address);
        this.incomplete();
      }
    }
  }
}
