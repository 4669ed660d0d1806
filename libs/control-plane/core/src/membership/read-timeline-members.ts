import type { CommandHandler } from '@neon/event-sourcing';
import { Corrupt } from '@neon/kernel';
import type { BranchAddress } from '../branch/branch-storage';
import { projectDecider } from '../project/project';
import { type TimelineMembers, timelineMembersDecider } from './timeline-members';

/** As of now. A branch from before founders were recorded has those of its project, which nobody has changed since (Y1). */
export async function readTimelineMembers(
  handler: CommandHandler,
  { projectId, branchId }: BranchAddress,
): Promise<TimelineMembers> {
  const [members, project] = await Promise.all([
    handler.state(timelineMembersDecider, branchId),
    handler.state(projectDecider, projectId),
  ]);
  if (members !== null) return members;
  if (project?.placement == null) throw new Corrupt(`project ${projectId} has no place in storage`);
  return { projectId, founderIds: project.placement.safekeeperIds, membership: null, former: [] };
}
