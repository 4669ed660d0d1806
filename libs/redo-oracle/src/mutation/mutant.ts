/** A mutant: our redo with one place of it broken. */
export interface Mutant {
  /** Its number in one run, from 0. */
  readonly id: number;
  /** Below libs/postgres/src. */
  readonly file: string;
  /** The named function that the place is in; of a class, `Class.method`. */
  readonly functionName: string;
  readonly line: number;
  /** What was done to it, for instance `+ to -`. */
  readonly mutation: string;
  /** The source text that was changed, white space collapsed. */
  readonly original: string;
  /** Which of the function's mutants that are otherwise named alike, from 1. */
  readonly occurrence: number;
}

/** How a mutant is told from others of its function while the code around it changes: no line, no number. */
export function mutantName({ file, functionName, mutation, original, occurrence }: Mutant): string {
  const text = original === '' ? '' : `${original} `;
  return `${file} ${functionName}: ${text}[${mutation}]${occurrence === 1 ? '' : ` #${occurrence}`}`;
}

export const functionOf = ({ file, functionName }: Mutant): string => `${file} ${functionName}`;

/** Things by a name that each has, in the order in which names come up. */
export function groupBy<T>(things: Iterable<T>, nameOf: (thing: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const group = groups.get(nameOf(thing));
    if (group === undefined) groups.set(nameOf(thing), [thing]);
    else group.push(thing);
  }
  return groups;
}
