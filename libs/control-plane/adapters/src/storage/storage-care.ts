/**
 * Brings safekeepers that were away back into every timeline, and tells pageservers of safekeepers that moved.
 *
 * Whatever happened while a safekeeper, or this process, was away is not remembered anywhere: when a safekeeper shows up, every
 * branch is gone through. Each step is a no-op on a timeline that is complete.
 */
import type { BranchAddress, Placement } from '@neon/control-plane-core';
import type { HttpBranchStorage } from './http-branch-storage';

export interface StoredBranch {
  readonly address: BranchAddress;
  readonly placement: Placement;
}

/** A node that has not reported for this long was away. */
const AWAY_MS = 10_000;

export class StorageCare {
  private readonly seenAt = new Map<number, number>();
  private due = false;

  constructor(
    private readonly storage: HttpBranchStorage,
    private readonly branches: () => Promise<readonly StoredBranch[]>,
    private readonly onFault: (error: unknown, address: BranchAddress) => void,
  ) {}

  safekeeperSeen(safekeeperId: number, { moved, now }: { moved: boolean; now: number }): void {
    const last = this.seenAt.get(safekeeperId);
    this.seenAt.set(safekeeperId, now);
    if (moved || last === undefined || now - last > AWAY_MS) this.due = true;
  }

  /** Something was left incomplete. */
  incomplete(): void {
    this.due = true;
  }

  async look(): Promise<void> {
    if (!this.due) return;
    this.due = false;
    for (const { address, placement } of await this.branches())
      await this.storage.repair(address, placement).catch((error: unknown) => this.onFault(error, address));
  }
}
