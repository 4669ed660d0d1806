/** What the timelines of a safekeeper share of the archive, and its limits. */
import type { Clock } from '@neon/kernel';
import { ArchiveQueue, type Later } from './archive-queue';
import { SegmentCache } from './segment-cache';
import { Slots } from './slots';
import type { ArchiveEvents, WalArchive } from './wal-archive';

export interface ArchiveSettings {
  readonly archive: WalArchive;
  readonly clock: Clock;
  readonly events: ArchiveEvents;
  /** How long a timeline is idle before it is in the archive alone; Infinity: it never is. */
  readonly offloadAfterMs: number;
}

export interface ArchiveContext extends ArchiveSettings {
  readonly later: Later;
  readonly queue: ArchiveQueue;
  readonly segments: SegmentCache;
  readonly restores: Slots;
}

/** Each holds a segment in memory, and a thread of the pool at a time, which commits need too. */
const UPLOAD_SLOTS = 2;
/** Per slot. Far more than one timeline writes for long, and far less than a disk that is worth having takes. */
const UPLOAD_BYTES_PER_SECOND_MAX = 100 * 1024 * 1024;
/** Eight segments of the usual size: as many readers go through old WAL at a time without fetching anything twice. */
const SEGMENT_CACHE_SIZE_MAX = 128 * 1024 * 1024;
/** Timelines that come back at a time: each holds a segment in memory. */
const RESTORE_SLOTS = 4;

export function archiveContext(settings: ArchiveSettings, later: Later): ArchiveContext {
  const { clock, events } = settings;
  return {
    ...settings,
    later,
    queue: new ArchiveQueue({
      slots: UPLOAD_SLOTS,
      bytesPerSecondMax: UPLOAD_BYTES_PER_SECOND_MAX,
      clock,
      later,
      failed: (error) => events.failed(error),
    }),
    segments: new SegmentCache({ sizeMax: SEGMENT_CACHE_SIZE_MAX, clock, later }),
    restores: new Slots(RESTORE_SLOTS),
  };
}
