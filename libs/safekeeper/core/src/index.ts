export { decodeControlFile, encodeControlFile, sameCreation } from './control-file';
export {
  Safekeeper,
  TimelineDirectory,
  type SafekeeperEvents,
  type TimelineCreation,
  type TimelineKey,
} from './safekeeper';
export { type SafekeeperIdentity, decodeSafekeeperIdentity, encodeSafekeeperIdentity } from './safekeeper-identity';
export { timelineDetail, timelineStatus, type ReaderProgress } from './status';
export { TAIL_CACHE_SIZE_MAX, TailCache } from './tail-cache';
export { QUEUED_BYTES_MAX, READ_SIZE_MAX, Timeline, type ProposerSession } from './timeline';
export {
  TimelineStore,
  type DurableMark,
  type OpenedTimeline,
  type TimelineStoreEvents,
  type WalWrite,
} from './timeline-store';
