/**
 * Where branches are kept, as the control plane sees it.
 *
 * Every call may be repeated, after a crash at any point inside an earlier one, and then ends as if it had run once.
 *
 * @throws Unavailable when storage cannot be reached; Refusal with storage's own code when it says no
 */
import type { Placement } from '../project/settings';
import type { BranchPoint, ClusterIdentity, Origin } from './branch';

export interface BranchAddress {
  readonly projectId: string;
  readonly branchId: string;
}

export abstract class BranchStorage {
  /** Chooses where a project lives. */
  abstract place(): Promise<Placement>;
  /** An empty Postgres of that version. */
  abstract createRoot(
    address: BranchAddress,
    options: { placement: Placement; pgVersion: number },
  ): Promise<ClusterIdentity>;
  /** @returns the LSN at which the branch leaves its parent */
  abstract createBranch(
    address: BranchAddress,
    options: { placement: Placement; origin: Origin },
  ): Promise<{ parentLsn: string; cluster: ClusterIdentity }>;
  /** Whether a branch can begin there. @throws Refusal `PointOutOfHistory` */
  abstract checkPoint(address: BranchAddress, placement: Placement, point: BranchPoint): Promise<void>;
  abstract deleteBranch(address: BranchAddress, placement: Placement): Promise<void>;
}
