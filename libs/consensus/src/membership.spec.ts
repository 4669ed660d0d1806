import { Lsn, SafekeeperId } from '@neon/kernel';
import { MEMBERS_MAX, Member, Membership } from './membership';
import { isQuorum, quorumLsn } from './quorum';

const member = (id: number, incarnation = `disk of ${id}`): Member => ({
  safekeeperId: SafekeeperId.of(id),
  incarnation,
});
const [A, B, C, D] = [1, 2, 3, 4].map((id) => member(id)) as [Member, Member, Member, Member];
const SETTLED = Membership.settled(5, [A, B, C]);
const JOINT = Membership.joint(SETTLED, [A, B, D]);

describe('a membership', () => {
  test('changes by way of a joint one, each a generation higher (G1, G2)', () => {
    expect(JOINT).toEqual({ kind: 'joint', generation: 6, members: [A, B, C], newMembers: [A, B, D] });
    expect(Membership.finish(JOINT)).toEqual(Membership.settled(7, [A, B, D]));
    expect(Membership.abort(JOINT)).toEqual(Membership.settled(7, [A, B, C]));
    expect(Membership.everyone(JOINT)).toEqual([A, B, C, D]);
    expect(Membership.everyone(SETTLED)).toEqual([A, B, C]);
  });

  test('is superseded by a list of a higher generation, and a founding one by the list of its own (G1)', () => {
    const founding = Membership.founding(5);
    expect(Membership.supersedes(JOINT, SETTLED)).toBe(true);
    expect(Membership.supersedes(SETTLED, founding)).toBe(true);
    expect(Membership.supersedes(SETTLED, SETTLED)).toBe(false);
    expect(Membership.supersedes(SETTLED, JOINT)).toBe(false);
    expect(Membership.supersedes(Membership.founding(9), SETTLED)).toBe(false);
  });

  test('includes a disk, not a safekeeper (G3)', () => {
    expect([A, D].map((each) => Membership.includes(JOINT, each))).toEqual([true, true]);
    expect(Membership.includes(JOINT, member(1, 'its next disk'))).toBe(false);
    expect(Membership.includes(Membership.founding(1), D)).toBe(true);
  });

  test('is equal to one of the same members in any order', () => {
    expect(Membership.equal(JOINT, Membership.joint(Membership.settled(5, [C, B, A]), [D, A, B]))).toBe(true);
    expect(Membership.equal(JOINT, Membership.joint(SETTLED, [A, B, C]))).toBe(false);
    expect(Membership.equal(SETTLED, Membership.founding(5))).toBe(false);
    expect(Membership.equal(SETTLED, Membership.settled(5, [A, B]))).toBe(false);
  });

  test('has one member at least, not too many, and each safekeeper once', () => {
    const many = Array.from({ length: MEMBERS_MAX + 1 }, (_, index) => member(index + 1));
    expect(() => Membership.settled(1, [])).toThrow(RangeError);
    expect(() => Membership.settled(1, many)).toThrow(RangeError);
    expect(() => Membership.joint(SETTLED, [A, member(1, 'its next disk')])).toThrow(RangeError);
  });
});

describe('a quorum', () => {
  const has =
    (...members: Member[]) =>
    (each: Member) =>
      members.includes(each);

  test('is a majority of every set, and nothing where there is no set (Q1, Q2)', () => {
    const sets = Membership.sets(JOINT);
    expect(isQuorum(sets, has(A, B))).toBe(true);
    expect(isQuorum(sets, has(A, C))).toBe(false);
    expect(isQuorum(sets, has(A, D))).toBe(false);
    expect(isQuorum(sets, has(A, C, D))).toBe(true);
    expect(isQuorum([], has(A))).toBe(false);
  });

  test('has reached what a majority of every set has reached (Q2)', () => {
    const reached = new Map([A, B, C, D].map((each, index) => [each, Lsn.of([40, 10, 30, 20][index] ?? 0)]));
    const lsnOf = (each: Member): Lsn => reached.get(each) ?? Lsn.ZERO;
    expect(quorumLsn(Membership.sets(SETTLED), lsnOf)).toBe(30);
    expect(quorumLsn(Membership.sets(JOINT), lsnOf)).toBe(20);
    expect(quorumLsn([], lsnOf)).toBe(0);
  });
});
