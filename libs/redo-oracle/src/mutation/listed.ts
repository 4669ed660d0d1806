/** The list of mutants that no run can catch, looked up. */
import { mutantName, type Mutant } from './mutant';
import { BEYOND } from './beyond';
import { EQUIVALENTS } from './equivalents';
import { OTHER_MAJORS } from './other-majors';

/** Mutants of one reason, by their names (`mutantName`); a name that ends in `*` stands for all that begin so. */
export interface Entry {
  readonly reason: string;
  readonly mutants: readonly string[];
  /** It holds for runs of these majors alone; all of them unless given. */
  readonly majors?: readonly number[];
}

export interface Listed {
  readonly status: 'equivalent' | 'beyond' | 'other-major';
  readonly reason: string;
}

interface Pattern extends Listed {
  readonly text: string;
  readonly majors: readonly number[] | undefined;
}

const patternsOf = (entries: readonly Entry[], status: Listed['status']): Pattern[] =>
  entries.flatMap(({ reason, mutants, majors }) => mutants.map((text) => ({ status, reason, text, majors })));

const PATTERNS: readonly Pattern[] = [
  ...patternsOf(EQUIVALENTS, 'equivalent'),
  ...patternsOf(BEYOND, 'beyond'),
  ...patternsOf(OTHER_MAJORS, 'other-major'),
];

const matches = ({ text }: Pattern, name: string): boolean =>
  text.endsWith('*') ? name.startsWith(text.slice(0, -1)) : name === text;

/** @returns undefined when the mutant is to be caught by a run of these majors */
export function listedAs(mutant: Mutant, majors: readonly number[]): Listed | undefined {
  const name = mutantName(mutant);
  return PATTERNS.find(
    (pattern) => matches(pattern, name) && majors.every((major) => pattern.majors?.includes(major) ?? true),
  );
}

/** Patterns that stand for nothing. */
export function stalePatterns(mutants: readonly Mutant[]): string[] {
  const names = mutants.map(mutantName);
  return PATTERNS.filter((pattern) => !names.some((name) => matches(pattern, name))).map(({ text }) => text);
}
