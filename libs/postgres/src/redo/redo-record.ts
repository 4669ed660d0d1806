/**
 * A record redone at once, on pages that a store holds in memory: what `changesOf` and `applyDelta` come to, without the
 * deltas in between.
 *
 *   I1  Pages and everything else become what they would if each change of `changesOf` had been applied in order.
 */
import type { Lsn } from '@neon/kernel';
import { restoreImage } from '../wal/image';
import type { BlockReference, WalRecord } from '../wal/record';
import { blockTreatment } from './block-changes';
import type { Change } from './change';
import { DEFAULT_SETTINGS, type ChangeSettings } from './change-settings';
import { unnamedChanges } from './changes';
import { redoOnPage, stampRestoredPage } from './record-delta';

export interface RedoStore {
  /** The page of a block that the record names, to be changed in place; of zeros when it was never written. */
  pageOf(block: BlockReference): Uint8Array;
  /** What else the record does, pages that it does not name included. */
  apply(change: Change, endLsn: Lsn): void;
}

/** @throws as `changesOf` and `applyDelta` do; pages of the record are then of no use */
export function redoRecord(record: WalRecord, store: RedoStore, settings: ChangeSettings = DEFAULT_SETTINGS): void {
  for (const change of unnamedChanges(record, settings)) store.apply(change, record.endLsn);
  for (const block of record.blocks) {
    const treatment = blockTreatment(record, block);
    if (treatment === 'nothing') continue;
    const page = store.pageOf(block);
    if (treatment === 'image') {
      restoreImage(record, block, { ...settings, into: page });
      stampRestoredPage(page, record.endLsn);
    } else {
      if (block.willInit) page.fill(0);
      redoOnPage(record, block, page, settings);
    }
  }
}
