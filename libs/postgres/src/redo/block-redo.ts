/** What every block redo function takes and promises; `registry` says which serves which resource manager. */
import type { Lsn } from '@neon/kernel';
import type { BlockReference, WalRecord } from '../wal/record';

export interface BlockRedoContext {
  readonly record: WalRecord;
  readonly block: BlockReference;
  /** What the page LSN becomes, where Postgres sets it. */
  readonly endLsn: Lsn;
  /** Whether hint bits are WAL-logged (checksums or wal_log_hints): Heap2/VISIBLE sets a heap page's LSN only then. */
  readonly walLogHints: boolean;
}

/** Brings `page` (8192 bytes, changed in place) to its state after the record. */
export type BlockRedo = (context: BlockRedoContext, page: Uint8Array) => void;
