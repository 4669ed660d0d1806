/** The functions that the oracle puts to the test; a mutated library has its own. */
import { applyDelta, changesOf, redoRecord } from '@neon/postgres';

export interface Redo {
  readonly changesOf: typeof changesOf;
  readonly applyDelta: typeof applyDelta;
  readonly redoRecord: typeof redoRecord;
}

export const LIBRARY_REDO: Redo = { changesOf, applyDelta, redoRecord };
