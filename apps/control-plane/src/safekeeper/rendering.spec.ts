import { type Member, MemberRecord, Membership } from '@neon/consensus';
import type { DriveOutcome } from '@neon/control-plane-core';
import { SafekeeperId } from '@neon/kernel';
import { branchSafekeepers } from './rendering';

const members = (...ids: number[]): Member[] =>
  ids.map((id) => ({ safekeeperId: SafekeeperId.of(id), incarnation: `disk ${id}` }));

const [BEFORE, WANTED] = [members(1, 2, 3), members(1, 2, 4)];

function shown(membership: ReturnType<typeof Membership.settled>, outcome: DriveOutcome | undefined) {
  return branchSafekeepers({
    branchId: 'br',
    members: { projectId: 'project', founderIds: [1, 2, 3], membership, former: [] },
    founders: BEFORE,
    wantedMembers: WANTED.map((member) => MemberRecord.of(member)),
    outcome,
  });
}

it('a change is complete when the drive that ended so was of the membership that is stored', () => {
  expect(shown(Membership.settled(3, WANTED), { kind: 'complete', generation: 3 })).toMatchObject({
    complete: true,
    generation: 3,
    waiting_for: [],
  });
});

it('what ended a change before it says nothing of this one: its last members may not have heard', () => {
  expect(shown(Membership.settled(3, WANTED), { kind: 'complete', generation: 1 }).complete).toBe(false);
  expect(shown(Membership.settled(3, WANTED), undefined).complete).toBe(false);
});

it('others than are wanted are not complete, and what is waited for is said', () => {
  expect(shown(Membership.settled(1, BEFORE), { kind: 'complete', generation: 1 }).complete).toBe(false);
  const waiting: DriveOutcome = { kind: 'waiting', isSettled: true, reasons: ['safekeeper 4 is away'] };
  expect(shown(Membership.settled(3, WANTED), waiting)).toMatchObject({
    complete: false,
    waiting_for: ['safekeeper 4 is away'],
  });
});

it('before the first change, who shall keep it are the founders only as the disks that they began with', () => {
  const complete = (founders: readonly Member[]): boolean =>
    branchSafekeepers({
      branchId: 'br',
      members: { projectId: 'project', founderIds: [1, 2, 4], membership: null, former: [] },
      founders,
      wantedMembers: WANTED.map((member) => MemberRecord.of(member)),
      outcome: undefined,
    }).complete;
  const [first, second, fourth] = WANTED;
  if (first === undefined || second === undefined || fourth === undefined) throw new Error('three are wanted');
  expect(complete(WANTED)).toBe(true);
  expect(complete([first, second, { ...fourth, incarnation: 'the disk before' }])).toBe(false);
  expect(complete([first, second])).toBe(false);
});

it('who may still hold something of the branch is shown while there is anybody', () => {
  const show = (...former: Member[]) =>
    branchSafekeepers({
      branchId: 'br',
      members: { projectId: 'project', founderIds: [1, 2, 3], membership: Membership.settled(3, WANTED), former },
      founders: [],
      wantedMembers: null,
      outcome: undefined,
    });
  expect(show(...members(3)).former_members).toEqual([{ safekeeper_id: 3, incarnation: 'disk 3' }]);
  expect(show()).not.toHaveProperty('former_members');
});
