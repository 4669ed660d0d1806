/** Who is there when a fault is drawn, and choices among them. */
import type { SeededRandom } from '@neon/simulation';
import type { Fault } from './fault';

export interface Machines {
  readonly safekeepers: readonly [string, ...string[]];
  readonly computeHosts: readonly [string, ...string[]];
  /** Everything that a link may lead to, the two above included. */
  readonly all: readonly string[];
}

/** Of the safekeepers those that keep the WAL. */
export type Members = readonly [string, ...string[]];

export interface Stage extends Machines {
  readonly members: Members;
}

export type Drawn = Pick<Fault, 'name' | 'effect'> &
  Partial<Pick<Fault, 'downSafekeepers' | 'endingMs'>> & { readonly members?: Members };
export type Recipe = (random: SeededRandom, stage: Stage) => Drawn;

/** A change takes about a second. */
export const MIDST_OF_CHANGE_MS = 1_000;

export function some(all: readonly string[], count: number, random: SeededRandom): string[] {
  const left = [...all];
  while (left.length > count) left.splice(random.between(0, left.length), 1);
  return left;
}

export const majority = (members: Members, random: SeededRandom): string[] =>
  some(members, Math.floor(members.length / 2) + 1, random);

/** In the place of `leaving`, one that is no member; where there is none, nobody. */
export function without(leaving: string, { members, safekeepers }: Stage, random: SeededRandom): Members {
  const staying = members.filter((member) => member !== leaving);
  const [joining] = some(
    safekeepers.filter((safekeeper) => !members.includes(safekeeper)),
    1,
    random,
  );
  const [first = leaving, ...rest] = joining === undefined ? staying : [...staying, joining];
  return [first, ...rest];
}
