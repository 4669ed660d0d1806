/**
 * Brings every branch to its safekeepers: those that were away back into it, and those that it shall have in the place of others;
 * and tells pageservers of safekeepers that moved.
 *
 * Whatever happened while a safekeeper, or this process, was away is not remembered anywhere: when a safekeeper shows up, every
 * branch is gone through. Each step is a no-op on a branch that is complete. One that cannot be completed yet is tried again
 * after a while; several are gone through at once, so that one whose copy takes long does not hold up the others.
 */
import type { Member } from '@neon/consensus';
import type {
  BranchAddress,
  DriveOutcome,
  FormerMembers,
  MembershipDriver,
  Placement,
  TimelineMembers as BranchMembers,
} from '@neon/control-plane-core';
import { type Clock, Unavailable } from '@neon/kernel';
import type { HttpBranchStorage } from './http-branch-storage';

export interface StoredBranch {
  readonly address: BranchAddress;
  readonly placement: Placement;
  readonly members: BranchMembers;
  /** Who shall keep it; null when nobody asked for a change. */
  readonly wanted: readonly Member[] | null;
}

export interface StorageCareOptions {
  readonly storage: HttpBranchStorage;
  readonly driver: MembershipDriver;
  /** Told of what is complete. */
  readonly former: FormerMembers;
  readonly clock: Clock;
  readonly branches: () => Promise<readonly StoredBranch[]>;
  /** Told again when it is another fault, or after it was gone. */
  readonly onFault: (error: unknown, address: BranchAddress) => void;
}

/** A node that has not reported for this long was away. */
const AWAY_MS = 10_000;
const RETRY_MS = 3_000;
const BRANCHES_AT_ONCE = 8;

export class StorageCare {
  private readonly seenAt = new Map<number, number>();
  private readonly outcomes = new Map<string, DriveOutcome>();
  /** By branch: what was told last. */
  private readonly faults = new Map<string, string>();
  private dueAt = Infinity;

  constructor(private readonly options: StorageCareOptions) {}

  safekeeperSeen(safekeeperId: number, { moved }: { moved: boolean }): void {
    const now = this.options.clock.now();
    const last = this.seenAt.get(safekeeperId);
    this.seenAt.set(safekeeperId, now);
    if (moved || last === undefined || now - last > AWAY_MS) this.dueAt = now;
  }

  /** Something was left incomplete. */
  incomplete(): void {
    this.dueAt = Math.min(this.dueAt, this.options.clock.now() + RETRY_MS);
  }

  /** Something else is wanted now. */
  changed(): void {
    this.dueAt = this.options.clock.now();
  }

  /** How the last change of a branch ended, as far as this process knows. */
  outcomeOf(branchId: string): DriveOutcome | undefined {
    return this.outcomes.get(branchId);
  }

  /** Branches that could not be brought to their safekeepers when that was tried last. */
  get incompleteCount(): number {
    return this.faults.size;
  }

  async look(): Promise<void> {
    if (this.options.clock.now() < this.dueAt) return;
    this.dueAt = Infinity;
    const left = [...(await this.branches())];
    const present = new Set(left.map(({ address }) => address.branchId));
    this.options.former.keep((branchId) => present.has(branchId));
    for (const branchId of [...this.faults.keys(), ...this.outcomes.keys()]) {
      if (present.has(branchId)) continue;
      this.faults.delete(branchId);
      this.outcomes.delete(branchId);
    }
    const next = async (): Promise<void> => {
      for (let branch = left.shift(); branch !== undefined; branch = left.shift()) await this.tend(branch);
    };
    await Promise.all(Array.from({ length: BRANCHES_AT_ONCE }, next));
  }

  private async branches(): Promise<readonly StoredBranch[]> {
    try {
      return await this.options.branches();
    } catch (error) {
      this.incomplete();
      throw error;
    }
  }

  private async tend({ address, placement, members, wanted }: StoredBranch): Promise<void> {
    try {
      if (members.membership === null && wanted === null) await this.options.storage.repair(address, placement);
      else await this.bring(address, wanted ?? members.membership?.members ?? []);
      this.faults.delete(address.branchId);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.faults.get(address.branchId) !== text) this.options.onFault(error, address);
      this.faults.set(address.branchId, text);
      this.incomplete();
    }
  }

  private async bring(address: BranchAddress, wanted: readonly Member[]): Promise<void> {
    const outcome = await this.options.driver.drive(address, wanted);
    this.outcomes.set(address.branchId, outcome);
    if (outcome.kind === 'waiting') throw new Unavailable(outcome.reasons.join('; '));
    await this.options.former.complete(address, outcome.generation);
  }
}
