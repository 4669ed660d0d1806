/**
 * Majorities of a timeline's safekeepers.
 *
 *   Q1  Any two quorums of one set share a member.
 *   Q2  With two sets, what counts is what a quorum of each has.
 *   Q3  How full a quorum is, is how full the fullest is of those that it cannot do without.
 */
import { Lsn } from '@neon/kernel';

export const quorumSize = (set: readonly unknown[]): number => Math.floor(set.length / 2) + 1;

/** Q2. Nothing is a quorum of no set. */
export const isQuorum = <T>(sets: readonly (readonly T[])[], has: (member: T) => boolean): boolean =>
  sets.length > 0 && sets.every((set) => set.filter(has).length >= quorumSize(set));

/** Q2. The largest LSN that a quorum of every set has reached. */
export function quorumLsn<T>(sets: readonly (readonly T[])[], lsnOf: (member: T) => Lsn): Lsn {
  const reached = sets.map((set) => {
    const descending = set.map(lsnOf).sort((a, b) => b - a);
    return descending[quorumSize(set) - 1] ?? Lsn.ZERO;
  });
  const [first, ...others] = reached;
  return first === undefined ? Lsn.ZERO : Lsn.min(first, ...others);
}

/** Q3, Q2. A safekeeper that cannot be reached is as good as full. */
export function quorumFullness<T>(sets: readonly (readonly T[])[], fullnessOf: (member: T) => number): number {
  const needed = sets.map((set) => set.map(fullnessOf).sort((a, b) => a - b)[quorumSize(set) - 1] ?? 0);
  return Math.max(0, ...needed);
}
