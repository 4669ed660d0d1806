/**
 * The management API of a pageserver: JSON over HTTP, token scope `management`, errors `{ code, message }`.
 *
 *   GET    /v1/status                                                → PageserverStatus
 *   GET    /v1/tenants/:tenantId/timelines                           → { timelines: TimelineDetail[] }
 *   PUT    /v1/tenants/:tenantId/timelines/:timelineId               TimelineCreate → TimelineDetail   (idempotent: same body, same answer; another body: 409)
 *   GET    /v1/tenants/:tenantId/timelines/:timelineId               → TimelineDetail
 *   DELETE /v1/tenants/:tenantId/timelines/:timelineId               → 204; 412 `TimelineHasChildren`
 *   PUT    /v1/tenants/:tenantId/timelines/:timelineId/safekeepers   { safekeepers } → 204             start or change where WAL is streamed from
 *   GET    /v1/tenants/:tenantId/timelines/:timelineId/lsn-at?timestamp=ISO  → LsnAt
 *   GET    /v1/tenants/:tenantId/timelines/:timelineId/boundary?lsn=X/X      → { lsn }   the newest commit boundary at or below
 *   POST   /v1/tenants/:tenantId/timelines/:timelineId/checkpoint    → TimelineDetail   write the in-memory layer out now
 *   POST   /v1/tenants/:tenantId/timelines/:timelineId/compact       → TimelineDetail
 *   GET    /v1/tenants/:tenantId/timelines/:timelineId/layers        → { layers: LayerDetail[] }
 *   GET    /healthz, GET /metrics
 */
import { z } from 'zod';
import { lsnText } from './json';

export const SafekeeperAddress = z.object({
  id: z.number().int().positive(),
  host: z.string(),
  replicationPort: z.number().int(),
});
export type SafekeeperAddress = z.infer<typeof SafekeeperAddress>;

export const TimelineCreate = z.discriminatedUnion('mode', [
  /** A fresh cluster, from the cached initdb result of that major version. */
  z.object({ mode: z.literal('bootstrap'), pgMajor: z.number().int() }),
  /**
   * A branch. At most one of `ancestorLsn` and `ancestorTimestamp` (ISO 8601); with neither, the ancestor's last record.
   * The branch point is the newest commit boundary at or below what was asked.
   */
  z.object({
    mode: z.literal('branch'),
    ancestorTimelineId: z.string(),
    ancestorLsn: lsnText.optional(),
    ancestorTimestamp: z.iso.datetime({ offset: true }).optional(),
  }),
]);
export type TimelineCreate = z.infer<typeof TimelineCreate>;

export const TimelineDetail = z.object({
  tenantId: z.string(),
  timelineId: z.string(),
  pgMajor: z.number().int(),
  systemId: z.string(),
  walSegmentSize: z.number().int(),
  ancestorTimelineId: z.string().nullable(),
  ancestorLsn: lsnText.nullable(),
  /** First LSN of this timeline's own WAL: end of initdb, or the branch point. */
  startLsn: lsnText,
  lastRecordLsn: lsnText,
  diskConsistentLsn: lsnText,
  /** Sum of relation sizes at `lastRecordLsn`, in bytes. */
  logicalSizeBytes: z.number(),
  physicalSizeBytes: z.number(),
  /** `stopped`: a record cannot be applied, at ingest or to a page that was read; `stopReason` names it. */
  state: z.enum(['active', 'stopped']),
  stopReason: z.string().nullable(),
  /** Time of the newest commit ingested, ISO 8601. */
  lastCommitAt: z.string().nullable(),
});
export type TimelineDetail = z.infer<typeof TimelineDetail>;

export const LsnAt = z.object({
  /** `present`: everything committed at or before the time, nothing later. `future`: the time is after the newest commit.
   *  `past`: before the timeline's first WAL. */
  kind: z.enum(['present', 'future', 'past']),
  lsn: lsnText,
});
export type LsnAt = z.infer<typeof LsnAt>;

export const LayerDetail = z.object({
  name: z.string(),
  kind: z.enum(['memory', 'delta', 'image']),
  startLsn: lsnText,
  endLsn: lsnText,
  sizeBytes: z.number(),
});
export type LayerDetail = z.infer<typeof LayerDetail>;

export const PageserverStatus = z.object({ pageserverId: z.number().int(), version: z.string() });
export type PageserverStatus = z.infer<typeof PageserverStatus>;
