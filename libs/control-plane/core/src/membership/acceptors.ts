/**
 * Safekeepers, as whoever changes the membership of a timeline needs them.
 *
 * Every call may be repeated. @throws Unavailable when the safekeeper does not answer; Refusal with its own code when it says no
 */
import type { AcceptorPosition, Member, Membership, SettledMembership } from '@neon/consensus';
import type { Term } from '@neon/kernel';
import type { BranchAddress } from '../branch/branch-storage';

export interface Configuration {
  readonly membership: Membership;
  readonly minTerm: Term;
}

export interface Seed {
  readonly membership: Membership;
  readonly donor: Member;
}

export abstract class Acceptors {
  /** The founders as the disks that were asked, or will be: recorded when that was not done yet. */
  abstract founders(address: BranchAddress, safekeeperIds: readonly number[]): Promise<readonly Member[]>;
  /** `absent`: that very disk has never voted in that membership, and has nothing of the timeline. */
  abstract configure(
    address: BranchAddress,
    member: Member,
    configuration: Configuration,
  ): Promise<AcceptorPosition | 'absent'>;
  /** Lets a member that has nothing begin with what the donor holds. */
  abstract seed(address: BranchAddress, member: Member, seed: Seed): Promise<void>;
  /** Lets a disk that is not in the membership remove the timeline; resolves when nothing of it is left there. */
  abstract remove(address: BranchAddress, member: Member, membership: SettledMembership): Promise<void>;
  /** Tells those who read the timeline's WAL where it is. */
  abstract announce(address: BranchAddress, safekeeperIds: readonly number[]): Promise<void>;
}
