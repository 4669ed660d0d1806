export * from './key/key';
export { type Layer, isLayerName, layerName, parseLayerName } from './layer/layer';
export { LayerMap } from './layer/layer-map';
export { Compression } from './layer/layer-file';
export { BlockCache } from './read/block-cache';
export { type ApplyDelta, PAGE_SIZE, RedoFailure } from './read/page-content';
export { ReadGate } from './read/read-gate';
export { Reader } from './read/reader';
export { Background } from './timeline/background';
export { type Boundary, type TimeLookup } from './timeline/commit-history';
export { type IngestedRecord } from './timeline/change-writer';
export { type PagesWanted, readPages, readPagesNow, recordBoundary, relationSize } from './timeline/page-request';
export { DEFAULT_LIMITS, type StopCause, Timeline, type TimelineLimits, type TimelineParts } from './timeline/timeline';
export { LayerWriter, TimelineFiles } from './timeline/timeline-files';
export { type TimelineIndex } from './timeline/timeline-index';
export { WalIngest } from './timeline/wal-ingest';
export { basebackup } from './basebackup/basebackup';
export { tarEnd, tarEntry } from './basebackup/ustar';
export {
  type CompactionJob,
  type CompactionLimits,
  DEFAULT_COMPACTION,
  planCompaction,
} from './compaction/plan-compaction';
export { compact } from './compaction/compact';
export { type ImportedContent, importFile, isImported } from './import/cluster-file';
export { type ClusterStart, type Template, clusterStart, writeTemplateLayer } from './import/template';
export {
  type BranchAt,
  Pageserver,
  TemplateStore,
  type TimelineName,
  type TimelineRequest,
  TimelineStore,
} from './tenant/pageserver';
