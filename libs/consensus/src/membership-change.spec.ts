import { Lsn, SafekeeperId, Term } from '@neon/kernel';
import { type ListedMembership, type Member, Membership } from './membership';
import { type ChangeEffect, type ChangeInput, MembershipChange } from './membership-change';

const [A, B, C, D] = [1, 2, 3, 4].map((id) => ({
  safekeeperId: SafekeeperId.of(id),
  incarnation: `disk of ${id}`,
})) as [Member, Member, Member, Member];
const OLD = Membership.settled(1, [A, B, C]);
const WANTED = [A, B, D];
const JOINT = Membership.joint(OLD, WANTED);
const FINAL = Membership.finish(JOINT);

const stored = (membership: ListedMembership): ChangeInput => ({ kind: 'stored', membership });
const answered = (
  member: Member,
  membership: Membership,
  { term = 5, lastLogTerm = 5, flushLsn = 900 } = {},
): ChangeInput => ({
  kind: 'answered',
  member,
  position: { membership, term: Term.of(term), lastLogTerm: Term.of(lastLogTerm), flushLsn: Lsn.of(flushLsn) },
});
const TICK: ChangeInput = { kind: 'tick' };

function run(...inputs: readonly ChangeInput[]) {
  let { state, effects } = MembershipChange.start(WANTED);
  for (const input of inputs) ({ state, effects } = MembershipChange.step(state, input));
  return { state, effects };
}
const asked = (effects: readonly ChangeEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'configure' ? [[effect.member, effect.minTerm]] : []));

const TO_JOINT = [stored(OLD), stored(JOINT)];
const JOINED = [...TO_JOINT, answered(A, JOINT), answered(B, JOINT, { term: 7, lastLogTerm: 4, flushLsn: 2000 })];

describe('a change of membership', () => {
  test('begins by reading what is stored, and stores a joint membership (M1)', () => {
    expect(run().effects).toEqual([{ kind: 'read' }]);
    expect(run(stored(OLD)).effects).toEqual([{ kind: 'store', membership: JOINT }]);
  });

  test('asks the former members first, and all of them again after a while (M2)', () => {
    const first = run(...TO_JOINT).effects;
    expect(first).toMatchObject([A, B, C].map((member) => ({ kind: 'configure', member, membership: JOINT })));
    expect(run(...TO_JOINT, answered(A, JOINT)).effects).toEqual([]);
    expect(asked(run(...TO_JOINT, answered(A, JOINT), TICK).effects)).toEqual([
      [B, 0],
      [C, 0],
    ]);
  });

  test('asks the new members for the highest term of a former quorum (M2, M3)', () => {
    expect(asked(run(...JOINED).effects)).toEqual(WANTED.map((member) => [member, 7]));
  });

  test('seeds a new member that has nothing from the former member with most', () => {
    const { effects } = run(...JOINED, { kind: 'absent', member: D });
    expect(effects).toEqual([{ kind: 'seed', member: D, membership: JOINT, donor: A }]);
  });

  test('seeds one that has nothing when the change is over, from whoever has most', () => {
    const settling = [stored(FINAL), answered(B, FINAL, { flushLsn: 800 }), answered(A, FINAL)];
    const { effects } = run(...settling, { kind: 'absent', member: D });
    expect(effects).toEqual([{ kind: 'seed', member: D, membership: FINAL, donor: A }]);
  });

  test('seeds a former member that was never made, since it may be needed for their quorum', () => {
    const { effects } = run(...TO_JOINT, answered(C, JOINT), { kind: 'absent', member: A });
    expect(effects).toEqual([{ kind: 'seed', member: A, membership: JOINT, donor: C }]);
  });

  test('seeds none before it knows a donor', () => {
    for (const before of [[], TO_JOINT, [stored(FINAL)]])
      expect(run(...before, { kind: 'absent', member: D }).effects).toEqual([]);
  });

  test.each([
    ['a lower term', { term: 6 }],
    ['a shorter log', { term: 7, flushLsn: 899 }],
    ['a longer log of a lower term', { term: 7, lastLogTerm: 4, flushLsn: 9000 }],
  ])('does not end while a quorum of the new members has no more than %s (M3)', (_what, behind) => {
    const { effects, state } = run(...JOINED, answered(A, JOINT, { term: 7 }), answered(D, JOINT, behind));
    expect(effects).toEqual([]);
    expect(asked(MembershipChange.step(state, TICK).effects)).toEqual([
      [B, 7],
      [D, 7],
    ]);
  });

  test('ends when a quorum of the new members holds it all, and is done when they know (M3)', () => {
    const caughtUp = [...JOINED, answered(A, JOINT, { term: 7 }), answered(D, JOINT, { term: 7 })];
    expect(run(...caughtUp).effects).toEqual([{ kind: 'store', membership: FINAL }]);
    const settling = run(...caughtUp, stored(FINAL));
    expect(asked(settling.effects)).toEqual(WANTED.map((member) => [member, 0]));
    const one = run(...caughtUp, stored(FINAL), answered(D, FINAL));
    expect(one.effects).toEqual([]);
    const two = MembershipChange.step(one.state, answered(B, FINAL));
    expect(two.effects).toEqual([{ kind: 'done', membership: FINAL }]);
    expect(asked(MembershipChange.step(two.state, TICK).effects)).toEqual([[A, 0]]);
    const all = MembershipChange.step(two.state, answered(A, FINAL));
    expect([all.effects, MembershipChange.step(all.state, TICK).effects]).toEqual([[], []]);
  });

  test('needs nothing but a quorum of the new members when a single answer says it all', () => {
    const again = [...TO_JOINT, answered(B, JOINT), answered(A, JOINT)];
    expect(run(...again).effects).toEqual([{ kind: 'store', membership: FINAL }]);
  });

  test('goes on where another driver has stopped (M1)', () => {
    expect(asked(run(stored(JOINT)).effects)).toHaveLength(3);
    expect(asked(run(stored(FINAL)).effects)).toEqual(WANTED.map((member) => [member, 0]));
  });

  test('reads again when somebody went on meanwhile, and does not count who is behind (M1)', () => {
    expect(run(...TO_JOINT, answered(A, FINAL)).effects).toEqual([{ kind: 'read' }]);
    expect(run(...TO_JOINT, answered(A, OLD), answered(B, JOINT)).effects).toEqual([]);
  });

  test('passes over what the store held before, and asks the store again (M1)', () => {
    expect(run(...TO_JOINT, stored(OLD)).effects).toEqual([]);
    expect(run(stored(OLD), TICK).effects).toEqual([{ kind: 'store', membership: JOINT }]);
    expect(run(TICK).effects).toEqual([{ kind: 'read' }]);
    expect(run(answered(A, JOINT)).effects).toEqual([{ kind: 'read' }].slice(1));
  });

  test('gives up a change towards another set first (M4)', () => {
    const other = Membership.joint(OLD, [C, D]);
    expect(run(stored(other)).effects).toEqual([{ kind: 'store', membership: Membership.abort(other) }]);
    const back = Membership.abort(other);
    expect(run(stored(other), stored(back)).effects).toEqual([
      { kind: 'store', membership: Membership.joint(back, WANTED) },
    ]);
  });
});
