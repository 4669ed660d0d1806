/** Safekeepers and memberships as the operators' API shows them. */
import { type Member, Membership } from '@neon/consensus';
import type { BranchSafekeepers, SafekeeperList } from '@neon/control-plane-contract';
import type { SeenSafekeeper } from '@neon/control-plane-adapters';
import { type DriveOutcome, type Project, type TimelineMembers, wantedMembersOf } from '@neon/control-plane-core';

export const safekeeper = (
  { safekeeperId: id, incarnation, host, httpPort, seenAt }: SeenSafekeeper,
  alive: boolean,
): SafekeeperList['safekeepers'][number] => ({
  id,
  incarnation,
  host,
  http_port: httpPort,
  alive,
  ...(seenAt === null ? {} : { seen_at: new Date(seenAt).toISOString() }),
});

export interface ShownBranch {
  readonly branchId: string;
  readonly members: TimelineMembers;
  /** Those of them that were ever asked, as the disks that they were then. */
  readonly founders: readonly Member[];
  readonly wantedMembers: Project['wantedMembers'];
  /** Of the last attempt in this process. */
  readonly outcome: DriveOutcome | undefined;
}

export function branchSafekeepers(branch: ShownBranch): BranchSafekeepers {
  const { branchId, members, outcome } = branch;
  const complete = isComplete(branch);
  return {
    branch_id: branchId,
    ...sets(members),
    ...(members.former.length === 0 ? {} : { former_members: members.former.map(member) }),
    complete,
    waiting_for: complete || outcome?.kind !== 'waiting' ? [] : [...outcome.reasons],
  };
}

function sets({
  membership,
  founderIds,
}: TimelineMembers): Pick<BranchSafekeepers, 'generation' | 'members' | 'new_members'> {
  if (membership === null) return { members: founderIds.map((safekeeper_id) => ({ safekeeper_id })) };
  const { generation, members } = membership;
  const settled = { generation, members: members.map(member) };
  return membership.kind === 'joint' ? { ...settled, new_members: membership.newMembers.map(member) } : settled;
}

const member = ({ safekeeperId, incarnation }: Member): { safekeeper_id: number; incarnation: string } => ({
  safekeeper_id: safekeeperId,
  incarnation,
});

function isComplete({ members: { membership }, founders, wantedMembers, outcome }: ShownBranch): boolean {
  const wanted = wantedMembersOf({ wantedMembers });
  if (wanted === null) return true;
  if (membership === null) return Membership.sameMembers(founders, wanted);
  if (membership.kind === 'joint' || !Membership.sameMembers(membership.members, wanted)) return false;
  return outcome?.kind === 'complete' && outcome.generation === membership.generation;
}
