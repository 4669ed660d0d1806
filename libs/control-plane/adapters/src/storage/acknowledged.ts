/**
 * What safekeepers' positions say about commits that clients were told of.
 *
 * A commit is acknowledged when a quorum has confirmed it as durable to the leader of a term; the safekeepers themselves learn
 * `commitLsn` with the leader's next message, which may never come. So positions are read from outside:
 *
 *   K1  `acknowledgedMaxLsn`: nothing beyond it was acknowledged before the positions were asked for. What is acknowledged is on
 *       a quorum, and safekeepers never lose it again (what is committed is never cut): of those that answer, a quorum less
 *       those that do not answer have flushed it. With 3 of 3 answers it is the second largest `flushLsn`; with 2, the largest.
 *   K2  `chosen`: committed for good, whether any leader has noticed or not. A safekeeper whose history ends in term t, and which
 *       has flushed up to where t began or further, holds a prefix of the log of t's leader, and took all of it in term t, before
 *       it voted in any later one. If a quorum holds the log of t up to an LSN in this way, then every later leader had the vote
 *       of one of them, and by its log, or a better one, starts behind that LSN. It does not matter that the safekeepers were
 *       asked one after the other: each took it before its later votes.
 *       The last term of the history must be the same, and reached. A safekeeper that a later leader has announced itself to,
 *       but not yet brought to where its term began, may hold WAL of t which it took from that later leader: a count of those
 *       proves nothing, for a leader of a term in between may still overwrite it.
 *   K3  So when `max(commitLsn, chosen)` reaches `acknowledgedMaxLsn`, it includes every acknowledged commit and nothing that can
 *       be undone. When it does not, nobody can tell from outside: the writer's next message, another safekeeper's answer or the
 *       next election will.
 */
import { Lsn } from '@neon/kernel';
import type { TimelineDetail } from '@neon/safekeeper-contract';

export type SafekeeperPosition = Pick<TimelineDetail, 'termHistory' | 'flushLsn' | 'commitLsn' | 'startLsn'>;

export interface Chosen {
  readonly term: number;
  readonly lsn: Lsn;
}

export interface Assessment {
  readonly commitLsn: Lsn;
  readonly acknowledgedMaxLsn: Lsn;
  readonly chosen: Chosen | null;
}

/** @param positions of a majority of `memberCount` safekeepers */
export function assess(positions: readonly SafekeeperPosition[], memberCount: number): Assessment {
  const quorum = Math.floor(memberCount / 2) + 1;
  const flushed = descending(positions.map(({ flushLsn }) => Lsn.parse(flushLsn)));
  const commits = positions.flatMap(({ commitLsn, startLsn }) => [Lsn.parse(commitLsn), Lsn.parse(startLsn)]);
  return {
    commitLsn: Lsn.max(Lsn.ZERO, ...commits),
    acknowledgedMaxLsn: flushed[quorum - (memberCount - positions.length) - 1] ?? Lsn.ZERO,
    chosen: chosenOf(positions, quorum),
  };
}

/** K2 */
function chosenOf(positions: readonly SafekeeperPosition[], quorum: number): Chosen | null {
  const byTerm = new Map<number, Lsn[]>();
  for (const { termHistory, flushLsn } of positions) {
    const last = termHistory.at(-1);
    const flush = Lsn.parse(flushLsn);
    if (last === undefined || flush < Lsn.parse(last.startLsn)) continue;
    byTerm.set(last.term, [...(byTerm.get(last.term) ?? []), flush]);
  }
  let best: Chosen | null = null;
  for (const [term, lsns] of byTerm) {
    const lsn = descending(lsns)[quorum - 1];
    if (lsn !== undefined && lsn > (best?.lsn ?? Lsn.ZERO)) best = { term, lsn };
  }
  return best;
}

const descending = (lsns: readonly Lsn[]): readonly Lsn[] => [...lsns].sort((a, b) => b - a);
