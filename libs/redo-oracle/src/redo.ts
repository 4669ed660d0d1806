/** The two functions that the oracle puts to the test; a mutated library has its own. */
import { applyDelta, changesOf } from '@neon/postgres';

export interface Redo {
  readonly changesOf: typeof changesOf;
  readonly applyDelta: typeof applyDelta;
}

export const LIBRARY_REDO: Redo = { changesOf, applyDelta };
