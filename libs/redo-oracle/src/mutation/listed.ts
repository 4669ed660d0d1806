/** The list of mutants that nothing can catch, looked up. */
import { EQUIVALENTS } from './equivalents';
import { mutantName, type Mutant } from './mutant';

/** Mutants of one reason, by their names (`mutantName`). */
export interface Entry {
  readonly reason: string;
  readonly mutants: readonly string[];
}

const REASONS: ReadonlyMap<string, string> = new Map(
  EQUIVALENTS.flatMap(({ reason, mutants }) => mutants.map((name) => [name, reason])),
);

/** @returns why nothing tells the mutant from redo; undefined when something must */
export const reasonOf = (mutant: Mutant): string | undefined => REASONS.get(mutantName(mutant));

/** Entries that stand for nothing. */
export function staleEntries(mutants: readonly Mutant[]): string[] {
  const names = new Set(mutants.map(mutantName));
  return [...REASONS.keys()].filter((name) => !names.has(name));
}
