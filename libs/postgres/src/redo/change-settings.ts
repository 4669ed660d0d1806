import type { ImageCodecs } from '../wal/image';

/** What redo needs to know of the server that wrote the record: pg_control, kept current by PARAMETER_CHANGE records. */
export interface ChangeSettings extends ImageCodecs {
  /** Whether hint bits are WAL-logged: wal_log_hints, or data checksums. */
  readonly walLogHints: boolean;
  readonly trackCommitTimestamp: boolean;
}

export const DEFAULT_SETTINGS: ChangeSettings = { walLogHints: false, trackCommitTimestamp: false };
