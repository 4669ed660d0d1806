/**
 * Which safekeepers a project shall have, as operators change it, and how far its branches are.
 *
 *   Z1  One request changes the whole project: what is asked for is recorded at once, together with the founders of every branch
 *       that has none recorded; bringing the branches there is the driver's, for as long as it takes.
 *   Z2  Safekeepers are taken as the disks they are when they are asked for: each is asked. Asking for one that lost its disk makes
 *       the new disk a member; not asking leaves it out.
 */
import { MEMBERS_MAX, type Member, MemberRecord } from '@neon/consensus';
import { Refusal } from '@neon/kernel';
import { type By, type Change, type Workshop, positionOf } from '../operation/change';
import { type Project, liveProject, projectDecider } from '../project/project';
import { timelineMembersDecider } from './timeline-members';

/** What is known of safekeepers, as a port. */
export abstract class KnownSafekeepers {
  /**
   * Asks who they are, now. One that does not answer soon stays what it was when it reported last.
   * @returns those that answered, as themselves
   */
  abstract ask(safekeeperIds: readonly number[]): Promise<readonly number[]>;
  /** As the disk that it reported last. @throws Refusal `SafekeeperUnknown` */
  abstract member(safekeeperId: number): Member;
  /** Whether it has reported lately. */
  abstract isAlive(safekeeperId: number): boolean;
}

export class SafekeeperSets {
  constructor(
    private readonly workshop: Workshop,
    private readonly safekeepers: KnownSafekeepers,
  ) {}

  /**
   * Z1, Z2.
   *
   * @throws Refusal `ProjectNotFound`, `SafekeeperUnknown`, `SafekeeperSetInvalid`, `SafekeepersAway`
   */
  async change(projectId: string, safekeeperIds: readonly number[], by: By): Promise<Change> {
    await this.safekeepers.ask(safekeeperIds);
    this.check(safekeeperIds);
    const members = safekeeperIds.map((id) => MemberRecord.of(this.safekeepers.member(id)));
    const committed = await this.workshop.handler.execute(by, async (unit) => {
      const { branches, placement } = liveProject(await unit.state(projectDecider, projectId));
      await unit.decide(projectDecider, projectId, { type: 'ChangeSafekeepers', members });
      const founderIds = placement?.safekeeperIds ?? [];
      for (const { branchId } of branches)
        await unit.decide(timelineMembersDecider, branchId, {
          type: 'FoundTimeline',
          projectId,
          safekeeperIds: founderIds,
        });
    });
    return { position: positionOf(committed), operationIds: [] };
  }

  /** From the moment it is a joint membership's second set, nothing commits without a majority of it. */
  private check(safekeeperIds: readonly number[]): void {
    const distinct = new Set(safekeeperIds);
    if (distinct.size === 0 || distinct.size > MEMBERS_MAX || distinct.size !== safekeeperIds.length)
      throw new Refusal('SafekeeperSetInvalid', `a set has 1 to ${MEMBERS_MAX} safekeepers, each once`);
    const away = safekeeperIds.filter((id) => !this.safekeepers.isAlive(id));
    if (2 * away.length >= safekeeperIds.length)
      throw new Refusal('SafekeepersAway', `safekeepers ${away.join(', ')} do not report: nothing could be committed`);
  }
}

/** What its branches are to be brought to; null when nobody has asked for it. */
export const wantedMembersOf = ({ wantedMembers }: Pick<Project, 'wantedMembers'>): readonly Member[] | null =>
  wantedMembers && wantedMembers.map((record) => MemberRecord.parse(record));
