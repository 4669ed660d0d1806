/**
 * Majorities of a timeline's safekeepers.
 *
 *   Q1  Any two quorums share a safekeeper.
 */
import { Lsn } from '@neon/kernel';

export const quorumSize = (config: { readonly safekeepers: readonly unknown[] }): number =>
  Math.floor(config.safekeepers.length / 2) + 1;

/** The largest LSN that a quorum has reached, given one LSN for each safekeeper. */
export function quorumLsn(reached: readonly Lsn[]): Lsn {
  const descending = [...reached].sort((a, b) => b - a);
  return descending[quorumSize({ safekeepers: reached }) - 1] ?? Lsn.ZERO;
}
