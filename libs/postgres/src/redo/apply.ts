/**
 * Deltas applied to pages: the other half of `changesOf`.
 *
 *   A1  `applyDelta` reads the page and the delta, nothing else, and leaves the page as Postgres' recovery would.
 */
import { Corrupt, type Lsn } from '@neon/kernel';
import type { ImageCodecs } from '../wal/image';
import type { PostgresMajor } from '../wal/record';
import type { PageId } from './change';
import { applyClogStatus } from './clog';
import { applyCommitTs } from './commit-ts';
import { DeltaKind } from './delta';
import { applyMultixactMembers, applyMultixactOffsets } from './multixact';
import { applyRecordDelta } from './record-delta';
import { applyVmClear, applyVmTruncate } from './visibility-map';

export interface ApplyContext extends ImageCodecs {
  readonly page: PageId;
  /** End of the record that the delta came from. */
  readonly endLsn: Lsn;
  readonly major: PostgresMajor;
}

/** Brings `page` (8192 bytes, zeros when there is none beneath) to its state after the delta's record. */
export function applyDelta(page: Uint8Array, delta: Uint8Array, context: ApplyContext): void {
  switch (delta[0]) {
    case DeltaKind.RECORD:
      return applyRecordDelta(page, delta, context);
    case DeltaKind.ZERO:
      page.fill(0);
      return;
    case DeltaKind.VM_CLEAR:
      return applyVmClear(page, delta);
    case DeltaKind.VM_TRUNCATE:
      return applyVmTruncate(page, delta);
    case DeltaKind.CLOG_STATUS:
      return applyClogStatus(page, delta);
    case DeltaKind.MULTIXACT_OFFSETS:
      return applyMultixactOffsets(page, delta);
    case DeltaKind.MULTIXACT_MEMBERS:
      return applyMultixactMembers(page, delta);
    case DeltaKind.COMMIT_TS:
      return applyCommitTs(page, delta);
    default:
      throw new Corrupt(`page delta of unknown kind ${delta[0] ?? 'none'}`);
  }
}
