export type { ArchiveSettings } from './archive/archive-context';
export type { OffloadPoint } from './archive/archive-layout';
export { type ArchiveEvents, WalArchive } from './archive/wal-archive';
export { catchUp, isMember, mayLearn } from './catch-up';
export { decodeControlFile, encodeControlFile, sameCreation } from './control-file';
export { Donor, Pulls, TimelineCopies, TimelineCopy, type DonorLog, type LogRange, type PullRequest } from './pull';
export { ReadCache } from './read-cache';
export { decodeRemovedTimeline, encodeRemovedTimeline } from './removed-timeline';
export {
  Safekeeper,
  TimelineDirectory,
  type FailedTimeline,
  type SafekeeperEvents,
  type SafekeeperSettings,
  type TimelineCreation,
  type TimelineKey,
} from './safekeeper';
export { type SafekeeperIdentity, decodeSafekeeperIdentity, encodeSafekeeperIdentity } from './safekeeper-identity';
export { timelineDetail, timelineStatus, type ReaderProgress } from './status';
export { TAIL_CACHE_SIZE_MAX, TailCache } from './tail-cache';
export { FULLNESS_TOLD_MIN, QUEUED_BYTES_MAX, Timeline, type ProposerSession, type TimelineContext } from './timeline';
export {
  TimelineStore,
  type DurableMark,
  type OpenedTimeline,
  type TimelineStoreEvents,
  type WalWrite,
} from './timeline-store';
export { type ArchivedPosition, type TrimHolder, type UnarchivedWal } from './trim';
export { type TrimPoint, decodeTrimPoint, encodeTrimPoint } from './trim-point';
export { READ_SIZE_MAX } from './wal-reads';
export { UNLIMITED, type WalLimits, WalSpace, diskFullness } from './wal-space';
