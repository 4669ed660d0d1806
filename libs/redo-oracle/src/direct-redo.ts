/**
 * Redo at once beside redo by deltas: every page that a record names must come out of both the same (I1 of `redoRecord`).
 */
import { redoRecord, type BlockReference, type ChangeSettings, type RedoStore, type WalRecord } from '@neon/postgres';
import type { PageStore } from './page-store';

interface Redone {
  readonly block: BlockReference;
  readonly page: Uint8Array;
}

/** Copies of the pages that a record names, redone; taken from the store before it applies the record itself. */
export function redoOnCopies(record: WalRecord, store: PageStore, settings: ChangeSettings): readonly Redone[] {
  const redone: Redone[] = [];
  const copies: RedoStore = {
    pageOf(block) {
      const page = new Uint8Array(store.pageOf(block));
      redone.push({ block, page });
      return page;
    },
    apply: () => undefined,
  };
  if (record.blocks.length > 0) redoRecord(record, copies, settings);
  return redone;
}
