/**
 * An initdb result as the first layer of a timeline.
 *
 *   T1  All versions stand at the template's LSN: the end of the shutdown checkpoint with which initdb ended.
 *   T2  The layer does not depend on tenant or timeline: any number of timelines may share its file.
 */
import { Corrupt, type Lsn, type SystemId } from '@neon/kernel';
import { Checkpoint, ClusterState, ControlFile, type PostgresMajor, WalDecoder } from '@neon/postgres';
import { CHECKPOINT, CONTROL_FILE, Kind, compareKeys, kindOf, sameKey } from '../key/key';
import type { Layer } from '../layer/layer';
import { LayerBuilder } from '../layer/layer-builder';
import type { Compression } from '../layer/layer-file';
import { PAGE_SIZE } from '../read/page-content';
import { decodeSize } from '../timeline/fork-sizes';
import type { LayerWriter } from '../timeline/timeline-files';
import type { ImportedContent } from './cluster-file';

export interface ClusterStart {
  readonly major: PostgresMajor;
  readonly systemId: SystemId;
  readonly walSegmentSize: number;
  /** End of the shutdown checkpoint record. */
  readonly lsn: Lsn;
  /** Its start. */
  readonly prevRecordLsn: Lsn;
  readonly logicalSizeBytes: number;
}

export interface Template extends ClusterStart {
  readonly layer: Layer;
}

/** Imported timelines name their template's layer by this number; their own begin after it. */
export const TEMPLATE_SEQUENCE = 0;

/** Reads the control file, and from the WAL that it points at the exact end of the last record. @throws Corrupt */
export function clusterStart(
  controlFile: Uint8Array,
  walFrom: (lsn: Lsn) => Uint8Array,
  contents: readonly ImportedContent[],
): ClusterStart {
  const control = ControlFile.parse(controlFile);
  const { major, systemId, checkpointLsn, segmentSize } = control;
  if (control.state !== ClusterState.SHUT_DOWN) throw new Corrupt('the cluster to import was not shut down cleanly');
  if (control.dataChecksumVersion !== 0)
    throw new Corrupt(
      'the cluster to import has data checksums, which pages are not served with: initdb --no-data-checksums',
    );
  const decoder = new WalDecoder({ major, startLsn: checkpointLsn, segmentSize });
  decoder.push(walFrom(checkpointLsn));
  const record = decoder.next();
  if (record === null || record.rmid !== 0 || (record.info & 0xf0) !== 0)
    throw new Corrupt('pg_control does not point at a shutdown checkpoint');
  let blocks = 0;
  for (const { key, bytes } of contents)
    if (kindOf(key.prefix) === Kind.RELATION_SIZE) blocks += decodeSize(bytes) ?? 0;
  return {
    major,
    systemId,
    walSegmentSize: segmentSize,
    lsn: record.endLsn,
    prevRecordLsn: record.lsn,
    logicalSizeBytes: blocks * PAGE_SIZE,
  };
}

/** Writes the template's layer. @param contents of all files; a relation's size entries in segment order */
export async function writeTemplateLayer(
  start: ClusterStart,
  contents: readonly ImportedContent[],
  { writer, compression }: { readonly writer: LayerWriter; readonly compression: Compression },
): Promise<Layer> {
  const control = contents.find(({ key }) => sameKey(key, CONTROL_FILE));
  if (control === undefined) throw new Corrupt('the cluster to import has no control file');
  const checkpoint = Checkpoint.encode(ControlFile.parse(control.bytes).checkpoint, start.major);
  const sorted = [...contents, { key: CHECKPOINT, bytes: checkpoint }].sort((a, b) => compareKeys(a.key, b.key));
  const builder = new LayerBuilder(writer, compression);
  for (const [i, { key, bytes }] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next !== undefined && sameKey(next.key, key)) continue;
    if (builder.add({ key, bytes, lsn: start.lsn, kind: 0 })) await builder.drain();
  }
  const layer = await builder.finish({
    kind: 'image',
    level: 1,
    startLsn: start.lsn,
    endLsn: start.lsn,
    sequence: TEMPLATE_SEQUENCE,
  });
  if (layer === null) throw new Corrupt('the cluster to import is empty');
  return layer;
}
