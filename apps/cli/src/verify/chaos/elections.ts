/** Who took part in the last election between two looks at the safekeepers of a timeline. */
export interface Seen {
  readonly term: number;
  readonly isMember: boolean;
}

/**
 * There was an election, a majority of the members is in its term, and nobody else has come to it. One that has not heard that
 * it is no member may learn an earlier term from another such one; the last one's only by voting.
 *
 * @returns what is wrong
 */
export function judgeElection(before: ReadonlyMap<string, Seen>, after: ReadonlyMap<string, Seen>): string[] {
  const members = [...after].filter(([, { isMember }]) => isMember);
  const elected = Math.max(...members.map(([, { term }]) => term));
  const cameToIt = ([name, { term }]: [string, Seen]): boolean =>
    term >= elected && (before.get(name)?.term ?? 0) < elected;
  const voters = members.filter(cameToIt);
  const others = [...after].filter((each) => !each[1].isMember && cameToIt(each));
  return [
    ...(2 * voters.length > members.length
      ? []
      : [`${voters.length} of ${members.length} members voted for a compute`]),
    ...others.map(([name]) => `${name} voted, and is no member`),
  ];
}
