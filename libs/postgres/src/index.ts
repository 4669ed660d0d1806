export * from './page';
export * from './protocol';

export { POSTGRES_MAJORS, isPostgresMajor, majorOfCatalogVersion, versionOf, type PostgresVersion } from './versions';

export * from './wal/record';
export { WalDecoder } from './wal/decoder';
export { WalBoundaryTracker } from './wal/boundary-tracker';
export type { WalStreamOptions } from './wal/record-framer';
export { WalError, type WalErrorReason } from './wal/wal-error';
export { parseRecord, type RecordPosition } from './wal/parse-record';
export { recordChecksum, recordHasChecksum } from './wal/record-checksum';
export { restoreImage, type ImageCodecs, type RestoreOptions } from './wal/image';
export { describeRecord, recordName, type RecordType } from './wal/describe';
export { Rmgr } from './wal/rmgr';
export { WalSegment, type WalSegmentAddress } from './wal/segment';
export { DEFAULT_WAL_SEGMENT_SIZE, LONG_PAGE_HEADER_SIZE, SHORT_PAGE_HEADER_SIZE, WAL_PAGE_SIZE } from './wal/layout';
export {
  checkPageHeader,
  encodePageHeader,
  walPageHeaderSize,
  type PageHeaderFields,
  type WalFormat,
} from './wal/page-header';
export {
  WalEncoder,
  encodeRecord,
  type BlockDraft,
  type EncodedWal,
  type ImageDraft,
  type RecordDraft,
  type RecordLink,
  type WalEncoderOptions,
} from './wal/encoder';

export { Checkpoint, WalLevel } from './cluster/checkpoint';
export { trackCheckpoint } from './cluster/checkpoint-tracker';
export { CONTROL_FILE_SIZE, ClusterState, ControlFile, type ControlFileChange } from './cluster/control-file';
export { isParameterChange, parseParameterChange, type ClusterParameters } from './cluster/parameter-change';
export { parseRelationMap, type RelationMap } from './cluster/relation-map';
export {
  encodeShutdownCheckpoint,
  nextRecordLsn,
  type ShutdownCheckpoint,
  type ShutdownCheckpointOptions,
  type SparseWalFile,
} from './cluster/shutdown-checkpoint';
export { TwoPhaseFile, type TwoPhaseName } from './cluster/two-phase';
export { FullXid, precedes } from './cluster/xid';

export * from './redo/change';
export type { ChangeSettings } from './redo/change-settings';
export { changesOf, unwrittenChangesOf } from './redo/changes';
export { applyDelta, type ApplyContext } from './redo/apply';
export { describeDelta } from './redo/describe-delta';
export { isTruncatedSegment, slruSegmentOf, type SlruTruncation } from './redo/slru-truncation';
export { redoBlock } from './redo/registry';
export { redoRecord, type RedoStore } from './redo/redo-record';
export { SLRU_ENTRIES_PER_PAGE, SLRU_PAGES_PER_SEGMENT, slruPageIsBefore, type SlruPagePair } from './redo/slru';
export { XidStatus, xidStatus } from './redo/clog';
export { checkConsistency, comparePages, hasCheckImage, type ComparedAs, type Mismatch } from './redo/consistency';
