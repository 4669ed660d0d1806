/** Timelines as the management API shows them, and its requests as the core takes them. */
import { Lsn, Refusal, TimelineId } from '@neon/kernel';
import type { LayerDetail, TimelineCreate, TimelineDetail } from '@neon/pageserver-contract';
import { LayerMap, type Timeline, type TimelineRequest, layerName } from '@neon/pageserver-core';
import { timestampText, timestampUs } from './timestamp';

export async function timelineDetail(timeline: Timeline): Promise<TimelineDetail> {
  const { index } = timeline;
  const newest = await timeline.commits.newest();
  return {
    tenantId: index.tenantId,
    timelineId: index.timelineId,
    pgMajor: index.pgMajor,
    systemId: index.systemId,
    walSegmentSize: index.walSegmentSize,
    ancestorTimelineId: index.ancestor?.timelineId ?? null,
    ancestorLsn: index.ancestor === null ? null : Lsn.format(index.ancestor.lsn),
    startLsn: Lsn.format(index.startLsn),
    lastRecordLsn: Lsn.format(timeline.lastRecordLsn),
    diskConsistentLsn: Lsn.format(timeline.diskConsistentLsn),
    logicalSizeBytes: timeline.logicalSizeBytes,
    physicalSizeBytes: index.layers.reduce((size, layer) => size + layer.sizeBytes, 0),
    state: timeline.stopped === null ? 'active' : 'stopped',
    stopReason: timeline.stopped,
    lastCommitAt: newest === null ? null : timestampText(newest.timestampUs),
  };
}

/** @throws Refusal `MalformedRequest`; SyntaxError, RangeError */
export function timelineRequest(body: TimelineCreate): TimelineRequest {
  if (body.mode === 'bootstrap') return body;
  const { ancestorLsn, ancestorTimestamp } = body;
  if (ancestorLsn !== undefined && ancestorTimestamp !== undefined)
    throw new Refusal('MalformedRequest', 'a branch point is an LSN or a time, not both');
  const ancestorTimelineId = TimelineId.parse(body.ancestorTimelineId);
  if (ancestorLsn !== undefined)
    return { mode: 'branch', ancestorTimelineId, at: { kind: 'lsn', lsn: Lsn.parse(ancestorLsn) } };
  if (ancestorTimestamp !== undefined)
    return { mode: 'branch', ancestorTimelineId, at: { kind: 'time', timestampUs: timestampUs(ancestorTimestamp) } };
  return { mode: 'branch', ancestorTimelineId, at: { kind: 'head' } };
}

export function layerDetails(timeline: Timeline): LayerDetail[] {
  const memory = timeline.memoryLayers.map(({ startLsn, sizeBytes }) => ({
    name: `memory_${Lsn.format(startLsn)}`,
    kind: 'memory' as const,
    startLsn: Lsn.format(startLsn),
    endLsn: Lsn.format(timeline.lastRecordLsn),
    sizeBytes,
  }));
  const files = LayerMap.layers(timeline.layerMap).map((layer) => ({
    name: layerName(layer),
    kind: layer.kind,
    startLsn: Lsn.format(layer.startLsn),
    endLsn: Lsn.format(layer.endLsn),
    sizeBytes: layer.sizeBytes,
  }));
  return [...memory, ...files];
}
