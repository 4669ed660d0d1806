/**
 * The disk of one timeline, as a port.
 *
 *   TS1  `durable` is called once the bytes up to its `endLsn`, and everything before them, would survive a power cut.
 *   TS2  One sync covers everything that was written while the one before it ran.
 *   TS3  After `truncate` resolves, nothing beyond `endLsn` is ever read as WAL again, crash or not. `close` waits for it.
 *   TS4  `saveControl` replaces the control file as a whole, durably; calls take effect in their order.
 *   TS5  After an error every further call fails: what the disk holds is only known after opening the timeline again.
 *   TS6  `trim` removes whole segments below `trimmedLsn`, none of them before it is durable that they are gone: after a
 *        restart they are not missed.
 *   TS7  After `offload` no WAL is here, and a restart finds that it is in the archive; that is durable before the first file goes.
 *   TS8  After `restore` the segment in which the log ends is here again, durably; interrupted, all of it is still offloaded.
 */
import type { DurableAcceptorState } from '@neon/consensus';
import type { Lsn } from '@neon/kernel';
import type { OffloadPoint } from './archive/archive-layout';

export interface WalWrite {
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
  /** The end of the last whole record once these bytes are written. */
  readonly recordEndLsn: Lsn;
  readonly truncationCount: number;
}

export interface DurableMark {
  readonly endLsn: Lsn;
  readonly recordEndLsn: Lsn;
  readonly truncationCount: number;
}

export interface TimelineStoreEvents {
  durable(mark: DurableMark): void;
  /** A write in the background failed. */
  failed(error: unknown): void;
}

export abstract class TimelineStore {
  abstract listen(events: TimelineStoreEvents): void;
  /** Queues bytes exactly at the end of the WAL; they become durable in the background. */
  abstract write(write: WalWrite): void;
  /** Bytes queued and not yet durable. */
  abstract get queuedBytes(): number;
  /** Resolves when everything written so far is durable. */
  abstract flush(): Promise<void>;
  abstract truncate(endLsn: Lsn): Promise<void>;
  /** Durable WAL from `startLsn` on: at least one byte, at most `sizeMax`. The caller knows that it exists. */
  abstract read(startLsn: Lsn, sizeMax: number): Promise<Uint8Array>;
  abstract saveControl(state: DurableAcceptorState): Promise<void>;
  /** TS6. When only the removal fails it throws, and what is left goes with the next one. */
  abstract trim(trimmedLsn: Lsn): Promise<void>;
  /** TS7. */
  abstract offload(trimmedLsn: Lsn, point: OffloadPoint): Promise<void>;
  /** TS8. `tail` is what the segment that begins at or before `trimmedLsn` holds; nothing when the log ends there. */
  abstract restore(trimmedLsn: Lsn, tail: Uint8Array): Promise<void>;
  /** Nothing has happened for a while: lets go of what costs memory or descriptors. */
  abstract rest(): void;
  /** Flushes and lets go of the files. */
  abstract close(): Promise<void>;
}

/** A timeline as found on the disk: its control file, and its WAL, of which everything up to `flushLsn` is durable. */
export interface OpenedTimeline {
  readonly control: DurableAcceptorState;
  readonly flushLsn: Lsn;
  /** Where the record begins that ends at `flushLsn`; undefined when the scan has seen none. */
  readonly lastRecordLsn: Lsn | undefined;
  /** WAL below it was removed: the start of a segment, or of the timeline. */
  readonly trimmedLsn: Lsn;
  /** Null when the WAL above `trimmedLsn` is here. */
  readonly offloaded: OffloadPoint | null;
  readonly store: TimelineStore;
}
