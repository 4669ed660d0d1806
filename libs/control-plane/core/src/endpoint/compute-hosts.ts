/**
 * The hosts that run computes, as the control plane sees them.
 *
 * Every call may be repeated. Starting a compute that runs somewhere else ends the other one: storage lets only the newer
 * one write.
 *
 * @throws Unavailable when the host cannot be reached; Refusal with the host's own code when it says no
 */
import type { Catalog, ClusterIdentity } from '../branch/branch';
import type { TimelineMembers } from '../membership/timeline-members';
import type { Placement } from '../project/settings';

/** What shall run behind an endpoint. */
export interface ComputeOrder {
  readonly endpointId: string;
  readonly projectId: string;
  readonly branchId: string;
  readonly pgVersion: number;
  readonly cluster: ClusterIdentity;
  readonly placement: Placement;
  readonly members: TimelineMembers;
  readonly catalog: Catalog;
  readonly pgSettings: Readonly<Record<string, string>>;
}

export abstract class ComputeHosts {
  abstract start(hostId: string, order: ComputeOrder): Promise<{ host: string; port: number }>;
  /** Brings roles and databases of a running compute up to date. @throws Refusal `DropRefused` when all but drops is done */
  abstract apply(hostId: string, order: ComputeOrder): Promise<void>;
  abstract stop(hostId: string, endpointId: string): Promise<void>;
}
