/** The models that are searched: a few seconds of them in the sim suite, hours of them by command. */
import type { ModelSize } from './world';

export interface NamedModel {
  readonly name: string;
  readonly size: ModelSize;
}

const FIXED = { generations: 1, strays: false, learning: false, removal: false };

/** Seconds. */
export const SMALL_MODELS: readonly NamedModel[] = [
  { name: 'terms', size: { ...FIXED, proposers: 2, acceptors: 3, terms: 2, entries: 1 } },
  { name: 'late messages', size: { ...FIXED, proposers: 2, acceptors: 2, terms: 2, entries: 1, strays: true } },
  { name: 'memberships', size: { ...FIXED, proposers: 1, acceptors: 2, terms: 2, entries: 1, generations: 3 } },
  {
    name: 'removal',
    size: { ...FIXED, proposers: 1, acceptors: 2, terms: 2, entries: 1, generations: 4, removal: true },
  },
  { name: 'learning', size: { ...FIXED, proposers: 2, acceptors: 3, terms: 2, entries: 1, learning: true } },
];

/** Hours, and some gigabytes. */
export const FULL_MODELS: readonly NamedModel[] = [
  { name: 'two terms', size: { ...FIXED, proposers: 2, acceptors: 3, terms: 2, entries: 2 } },
  { name: 'terms', size: { ...FIXED, proposers: 2, acceptors: 3, terms: 3, entries: 2 } },
  { name: 'late messages', size: { ...FIXED, proposers: 2, acceptors: 3, terms: 2, entries: 1, strays: true } },
  { name: 'memberships', size: { ...FIXED, proposers: 2, acceptors: 2, terms: 2, entries: 2, generations: 3 } },
  { name: 'three acceptors', size: { ...FIXED, proposers: 2, acceptors: 3, terms: 2, entries: 1, generations: 2 } },
];

export const sizeText = ({ proposers, acceptors, terms, entries, generations, ...what }: ModelSize): string =>
  `${proposers} proposers, ${acceptors} acceptors, ${terms} terms, ${entries} entries, ${generations} generations${what.strays ? ', late messages' : ''}${what.learning ? ', learning' : ''}${what.removal ? ', removal' : ''}`;
