/**
 * Redo at once beside redo by deltas: every page that a record names must come out of both the same, and whatever else a record
 * does must be handed on (I1 of `redoRecord`).
 */
import { redoRecord, type BlockReference, type ChangeSettings, type RedoStore, type WalRecord } from '@neon/postgres';
import type { PageStore } from './page-store';

export interface RedonePage {
  readonly block: BlockReference;
  readonly page: Uint8Array;
}

export interface RedoneAtOnce {
  /** Copies of the pages that the record names, redone. */
  readonly pages: readonly RedonePage[];
  /** How many changes of other things there were. */
  readonly changeCount: number;
}

const NOTHING: RedoneAtOnce = { pages: [], changeCount: 0 };

/** To be called before the store applies the record itself. */
export function redoOnCopies(
  record: WalRecord,
  { store, settings, redo = redoRecord }: { store: PageStore; settings: ChangeSettings; redo?: typeof redoRecord },
): RedoneAtOnce {
  if (record.blocks.length === 0) return NOTHING;
  const pages: RedonePage[] = [];
  let changeCount = 0;
  const copies: RedoStore = {
    pageOf(block) {
      const page = new Uint8Array(store.pageOf(block));
      pages.push({ block, page });
      return page;
    },
    apply: () => void changeCount++,
  };
  redo(record, copies, settings);
  return { pages, changeCount };
}
