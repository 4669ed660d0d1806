/**
 * Makes WAL of a cold cluster go on elsewhere.
 *
 *   G1  The cluster stays one that was shut down cleanly: by a shutdown checkpoint at the given LSN, with the given counters.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Corrupt, type Lsn } from '@neon/kernel';
import { ClusterState, ControlFile, encodeShutdownCheckpoint, type Checkpoint } from '@neon/postgres';
import type { OracleCluster } from '../oracle-cluster';

const controlPath = ({ dataDir }: OracleCluster): string => join(dataDir, 'global/pg_control');

/** @throws Corrupt when the cluster was not shut down */
export function readColdControlFile(cluster: OracleCluster): ControlFile {
  const control = ControlFile.parse(new Uint8Array(readFileSync(controlPath(cluster))));
  if (control.state !== ClusterState.SHUT_DOWN)
    throw new Corrupt('only WAL of a cluster that was shut down can be moved');
  return control;
}

/** @param lsn the beginning of a segment */
export function moveWal(cluster: OracleCluster, lsn: Lsn, counters: Partial<Checkpoint> = {}): void {
  const control = readColdControlFile(cluster);
  const { major, systemId, segmentSize, checkpointLsn: prevLsn } = control;
  const checkpoint = { ...control.checkpoint, ...counters };
  const moved = encodeShutdownCheckpoint({ major, lsn, prevLsn, checkpoint, systemId, segmentSize });
  const walDir = join(cluster.dataDir, 'pg_wal');
  for (const name of readdirSync(walDir)) if (/^[0-9A-F]{24}$/.test(name)) rmSync(join(walDir, name));
  for (const { fileName, sizeBytes, pieces } of moved.walFiles)
    writeSparse(cluster, { path: join(walDir, fileName), sizeBytes, pieces });
  const change = { checkpointLsn: moved.recordLsn, checkpoint: moved.checkpoint };
  writeFileSync(controlPath(cluster), ControlFile.encode(control, change));
}

export interface SparseFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly pieces: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** Writes pieces of a file of this size, which may be there already. */
export function writeSparse(cluster: OracleCluster, { path, sizeBytes, pieces }: SparseFile): void {
  const descriptor = openSync(path, existsSync(path) ? 'r+' : 'w+');
  ftruncateSync(descriptor, sizeBytes);
  for (const { offset, bytes } of pieces) writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
  cluster.giveAway(path);
}
