/**
 * Who keeps one branch's WAL: the stored membership of its timeline, which a change goes by.
 *
 *   Y1  The safekeepers that a branch begins with are recorded before any of them is asked, and stay the founders for good: whoever
 *       repeats the creation goes to the same ones.
 *   Y2  The stored membership changes by one generation at a time; the first list, of the founders, has the founding generation.
 *       What does not follow upon what is stored decides nothing: its sender looks at what is, and begins from there.      (G1)
 *   Y3  A member that was, is remembered until it has confirmed, in a membership that is stored still, that nothing is left with it.
 */
import { type ListedMembership, Member, MemberRecord, Membership, MembershipRecord } from '@neon/consensus';
import type { Decider } from '@neon/event-sourcing';
import { Corrupt, Refusal, unreachable } from '@neon/kernel';
import { MEMBERSHIP_GENERATION_FIRST } from '@neon/safekeeper-contract';
import { z } from 'zod';
import { MemberEntry } from '../project/settings';

const MembershipEntry = z.object({
  generation: z.number().int(),
  members: z.array(MemberEntry),
  newMembers: z.array(MemberEntry).optional(),
});

export const TimelineMembersEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('TimelineFounded'), projectId: z.string(), safekeeperIds: z.array(z.number().int()) }),
  z.object({ type: z.literal('MembershipStored'), membership: MembershipEntry }),
  z.object({ type: z.literal('FormerMemberRemoved'), member: MemberEntry }),
]);
export type TimelineMembersEvent = z.infer<typeof TimelineMembersEvent>;

export interface TimelineMembers {
  readonly projectId: string;
  readonly founderIds: readonly number[];
  /** Null while nobody has listed the founders. */
  readonly membership: ListedMembership | null;
  /** Members of earlier memberships, as far as they may hold something still. */
  readonly former: readonly Member[];
}

export type TimelineMembersCommand =
  | { readonly type: 'FoundTimeline'; readonly projectId: string; readonly safekeeperIds: readonly number[] }
  | { readonly type: 'StoreMembership'; readonly membership: ListedMembership }
  /** Nothing is left with it: so it said when it was told the membership of that generation. */
  | { readonly type: 'RecordRemoval'; readonly member: Member; readonly generation: number };

export const timelineMembersDecider: Decider<TimelineMembers | null, TimelineMembersCommand, TimelineMembersEvent> = {
  kind: 'timeline-members',
  initial: null,
  event: TimelineMembersEvent,
  decide,
  evolve,
};

/** What a quorum is counted by: a founding membership until the founders are listed. */
export const membershipOf = ({ membership }: TimelineMembers): Membership =>
  membership ?? Membership.founding(MEMBERSHIP_GENERATION_FIRST);

/** Everybody whom the membership in force names. */
export const safekeeperIdsOf = ({ membership, founderIds }: TimelineMembers): readonly number[] =>
  membership === null ? founderIds : [...new Set(Membership.everyone(membership).map((each) => each.safekeeperId))];

function decide(command: TimelineMembersCommand, state: TimelineMembers | null): readonly TimelineMembersEvent[] {
  switch (command.type) {
    case 'FoundTimeline': {
      const { projectId, safekeeperIds } = command;
      return state === null ? [{ type: 'TimelineFounded', projectId, safekeeperIds: [...safekeeperIds] }] : [];
    }
    case 'StoreMembership': {
      if (state === null) throw new Refusal('BranchNotReady', 'the branch has no safekeepers yet');
      const due = state.membership === null ? MEMBERSHIP_GENERATION_FIRST : state.membership.generation + 1;
      return command.membership.generation === due
        ? [{ type: 'MembershipStored', membership: entryOf(command.membership) }]
        : [];
    }
    case 'RecordRemoval': {
      const { member, generation } = command;
      const isSaid = state?.membership?.generation === generation && Member.isIn(state.former, member);
      return isSaid ? [{ type: 'FormerMemberRemoved', member: MemberRecord.of(member) }] : [];
    }
    default:
      return unreachable(command);
  }
}

function evolve(state: TimelineMembers | null, event: TimelineMembersEvent): TimelineMembers | null {
  switch (event.type) {
    case 'TimelineFounded':
      return { projectId: event.projectId, founderIds: event.safekeeperIds, membership: null, former: [] };
    case 'MembershipStored': {
      if (state === null) return null;
      const membership = listed(event.membership);
      const present = Membership.everyone(membership);
      const before = state.membership === null ? [] : Membership.everyone(state.membership);
      const gone = [...state.former, ...before].filter((member) => !Member.isIn(present, member));
      const former = gone.filter((member, index) => !Member.isIn(gone.slice(0, index), member));
      return { ...state, membership, former };
    }
    case 'FormerMemberRemoved': {
      if (state === null) return null;
      const removed = MemberRecord.parse(event.member);
      return { ...state, former: state.former.filter((member) => !Member.equal(member, removed)) };
    }
    default:
      return unreachable(event);
  }
}

function entryOf(membership: ListedMembership): z.infer<typeof MembershipEntry> {
  const { generation, members = [], newMembers } = MembershipRecord.of(membership);
  return { generation, members, ...(newMembers === undefined ? {} : { newMembers }) };
}

function listed(entry: z.infer<typeof MembershipEntry>): ListedMembership {
  const membership = MembershipRecord.parse(entry);
  if (membership.kind === 'founding') throw new Corrupt('a stored membership lists nobody');
  return membership;
}
