/**
 * What safekeepers' positions say about commits that clients were told of.
 *
 * A commit is acknowledged when a quorum has confirmed it as durable to the leader of a term; the safekeepers themselves learn
 * `commitLsn` with the leader's next message, which may never come. So positions are read from outside:
 *
 *   K1  `acknowledgedMaxLsn`: nothing beyond it was acknowledged before the positions were asked for. What is acknowledged is on
 *       a quorum, and safekeepers never lose it again (what is committed is never cut): of those that answer, a quorum less
 *       those that do not answer have flushed it. Of a joint membership the former members count here, alone: what was acknowledged
 *       before the new members knew of it is on a majority of them, and so is everything since. With 3 of 3 answers it is the second largest `flushLsn`; with 2, the largest.
 *   K2  `chosen`: committed for good, whether any leader has noticed or not. A safekeeper whose history ends in term t, and which
 *       has flushed up to where t began or further, holds a prefix of the log of t's leader, and took all of it in term t, before
 *       it voted in any later one. If a quorum holds the log of t up to an LSN in this way, then every later leader had the vote
 *       of one of them, and by its log, or a better one, starts behind that LSN. It does not matter that the safekeepers were
 *       asked one after the other: each took it before its later votes.
 *       The last term of the history must be the same, and reached. A safekeeper that a later leader has announced itself to,
 *       but not yet brought to where its term began, may hold WAL of t which it took from that later leader: a count of those
 *       proves nothing, for a leader of a term in between may still overwrite it.
 *       A member that was seeded (`listed`) did not take its log from a leader: it and its donor are one witness. So where members
 *       are listed, only those count that are still in term t: whoever was elected later, in whatever membership, has raised
 *       the term of one in each majority of this one.
 *   K3  So when `max(commitLsn, chosen)` reaches `acknowledgedMaxLsn`, it includes every acknowledged commit and nothing that can
 *       be undone. When it does not, nobody can tell from outside: the writer's next message, another safekeeper's answer or the
 *       next election will.
 */
import { Member, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId } from '@neon/kernel';
import type { TimelineDetail } from '@neon/safekeeper-contract';

export type SafekeeperPosition = Pick<
  TimelineDetail,
  'term' | 'termHistory' | 'flushLsn' | 'commitLsn' | 'startLsn' | 'incarnation'
>;

/** One who counts: by its id alone where no disk is listed. */
export interface Voter {
  readonly safekeeperId: number;
  readonly incarnation: string | null;
}

/** Who counts, and how: a quorum is one of each set. */
export interface Electorate {
  readonly sets: readonly (readonly Voter[])[];
}

export const Electorate = {
  of: (membership: Membership, founderIds: readonly number[]): Electorate => ({
    sets:
      membership.kind === 'founding'
        ? [founderIds.map((safekeeperId) => ({ safekeeperId, incarnation: null }))]
        : Membership.sets(membership),
  }),
  /** Each once. */
  everyone: ({ sets }: Electorate): readonly Voter[] => [
    ...new Map(sets.flat().map((voter) => [keyOf(voter), voter])).values(),
  ],
};

export const keyOf = ({ safekeeperId, incarnation }: Voter): string =>
  incarnation === null
    ? String(safekeeperId)
    : Member.key({ safekeeperId: SafekeeperId.of(safekeeperId), incarnation });

/** By `keyOf` who holds it. */
export type Positions = ReadonlyMap<string, SafekeeperPosition>;

export interface Chosen {
  readonly term: number;
  readonly lsn: Lsn;
}

export interface Assessment {
  readonly commitLsn: Lsn;
  readonly acknowledgedMaxLsn: Lsn;
  readonly chosen: Chosen | null;
}

/** @param positions of a majority of the first set at least */
export function assess(positions: Positions, { sets }: Electorate): Assessment {
  const [former = []] = sets;
  const answers = former.flatMap((voter) => positions.get(keyOf(voter)) ?? []);
  const flushed = descending(answers.map(({ flushLsn }) => Lsn.parse(flushLsn)));
  const commits = [...positions.values()].flatMap(({ commitLsn, startLsn }) => [
    Lsn.parse(commitLsn),
    Lsn.parse(startLsn),
  ]);
  return {
    commitLsn: Lsn.max(Lsn.ZERO, ...commits),
    acknowledgedMaxLsn: flushed[quorumOf(former) - (former.length - answers.length) - 1] ?? Lsn.ZERO,
    chosen: chosenOf(positions, sets),
  };
}

/** K2 */
function chosenOf(positions: Positions, sets: Electorate['sets']): Chosen | null {
  const terms = new Set([...positions.values()].flatMap(({ termHistory }) => termHistory.at(-1)?.term ?? []));
  let best: Chosen | null = null;
  for (const term of terms) {
    const lsns = sets.map((set) => {
      const held = set.flatMap((voter) => heldIn(term, voter, positions.get(keyOf(voter))) ?? []);
      return descending(held)[quorumOf(set) - 1] ?? Lsn.ZERO;
    });
    const [first = Lsn.ZERO, ...others] = lsns;
    const lsn = Lsn.min(first, ...others);
    if (lsn > (best?.lsn ?? Lsn.ZERO)) best = { term, lsn };
  }
  return best;
}

/** How much of the log of `term` it holds, as a witness of its own. */
function heldIn(term: number, voter: Voter, position: SafekeeperPosition | undefined): Lsn | undefined {
  const last = position?.termHistory.at(-1);
  if (position === undefined || last?.term !== term) return undefined;
  if (voter.incarnation !== null && position.term !== term) return undefined;
  const flushLsn = Lsn.parse(position.flushLsn);
  return flushLsn < Lsn.parse(last.startLsn) ? undefined : flushLsn;
}

const quorumOf = (set: readonly unknown[]): number => Math.floor(set.length / 2) + 1;
const descending = (lsns: readonly Lsn[]): readonly Lsn[] => [...lsns].sort((a, b) => b - a);
