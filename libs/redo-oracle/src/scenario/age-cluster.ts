/**
 * Makes a cold cluster old at once: its next transaction and multixact ids are set, as pg_resetwal would.
 *
 *   G1  The cluster stays one that was shut down cleanly: a shutdown checkpoint with the given counters, in a later WAL segment.
 *   G2  The SLRU pages that a server with such counters has are there, as zeros but for the beginning of the next multixact.
 */
import {
  existsSync,
  ftruncateSync,
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Corrupt, Lsn } from '@neon/kernel';
import {
  ClusterState,
  ControlFile,
  PAGE_SIZE,
  SLRU_ENTRIES_PER_PAGE,
  SLRU_PAGES_PER_SEGMENT,
  WalSegment,
  encodeShutdownCheckpoint,
  type Slru,
} from '@neon/postgres';
import { slruFile } from '../data-directory';
import type { OracleCluster } from '../oracle-cluster';

export interface Age {
  /** Full transaction id. */
  readonly nextXid: number;
  readonly nextMulti: number;
  readonly nextMultiOffset: number;
}

const OFFSET_SIZE = 4;
/** A segment that nothing was written to yet. */
const SEGMENTS_AHEAD = 2;

export function ageCluster(cluster: OracleCluster, age: Age): void {
  const { dataDir } = cluster;
  const file = join(dataDir, 'global/pg_control');
  const control = ControlFile.parse(new Uint8Array(readFileSync(file)));
  if (control.state !== ClusterState.SHUT_DOWN) throw new Corrupt('only a cluster that was shut down can be aged');
  const { major, systemId, segmentSize, checkpointLsn: lsn } = control;
  const aged = encodeShutdownCheckpoint({
    major,
    lsn: Lsn.advance(WalSegment.startLsn({ lsn, segmentSize }), SEGMENTS_AHEAD * segmentSize),
    prevLsn: lsn,
    checkpoint: { ...control.checkpoint, ...age, oldestMulti: age.nextMulti },
    systemId,
    segmentSize,
  });
  const walDir = join(dataDir, 'pg_wal');
  for (const name of readdirSync(walDir)) if (/^[0-9A-F]{24}$/.test(name)) rmSync(join(walDir, name));
  for (const { fileName, sizeBytes, pieces } of aged.walFiles)
    writeSparse(cluster, join(walDir, fileName), sizeBytes, pieces);
  const { recordLsn: checkpointLsn, checkpoint } = aged;
  writeFileSync(file, ControlFile.encode(control, { checkpointLsn, checkpoint }));
  ensureSlruPage(cluster, 'xact', age.nextXid % 2 ** 32);
  ensureSlruPage(cluster, 'multixact-members', age.nextMultiOffset);
  const offset = new Uint8Array(OFFSET_SIZE);
  new DataView(offset.buffer).setUint32(0, age.nextMultiOffset, true);
  ensureSlruPage(cluster, 'multixact-offsets', age.nextMulti, offset);
}

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function writeSparse(cluster: OracleCluster, path: string, sizeBytes: number, pieces: readonly Piece[]): void {
  const descriptor = openSync(path, existsSync(path) ? 'r+' : 'w+');
  ftruncateSync(descriptor, sizeBytes);
  for (const { offset, bytes } of pieces) writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
  cluster.giveAway(path);
}

/** G2: the whole segment with the page of `entry`, and the entry when given. */
function ensureSlruPage(cluster: OracleCluster, slru: Slru, entry: number, content?: Uint8Array): void {
  const perPage = SLRU_ENTRIES_PER_PAGE[slru];
  const page = Math.floor(entry / perPage);
  const offset = (page % SLRU_PAGES_PER_SEGMENT) * PAGE_SIZE + (entry % perPage) * (content?.length ?? 0);
  const pieces = content === undefined ? [] : [{ offset, bytes: content }];
  writeSparse(cluster, slruFile(cluster.dataDir, slru, page), SLRU_PAGES_PER_SEGMENT * PAGE_SIZE, pieces);
}
