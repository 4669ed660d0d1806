/**
 * Makes a cold cluster old at once: its next transaction and multixact ids are set, as pg_resetwal would.
 *
 *   G1  The cluster stays one that was shut down cleanly (`moveWal`), in a later WAL segment.
 *   G2  The SLRU pages that a server with such counters has are there, as zeros but for the beginning of the next multixact.
 */
import { Lsn } from '@neon/kernel';
import { PAGE_SIZE, SLRU_ENTRIES_PER_PAGE, SLRU_PAGES_PER_SEGMENT, WalSegment, type Slru } from '@neon/postgres';
import { slruFile } from '../data-directory';
import type { OracleCluster } from '../oracle-cluster';
import { moveWal, readColdControlFile, writeSparse } from './move-wal';

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
  const { segmentSize, checkpointLsn } = readColdControlFile(cluster);
  const inSegment = WalSegment.startLsn({ lsn: checkpointLsn, segmentSize });
  moveWal(cluster, Lsn.advance(inSegment, SEGMENTS_AHEAD * segmentSize), { ...age, oldestMulti: age.nextMulti });
  ensureSlruPage(cluster, 'xact', age.nextXid % 2 ** 32);
  ensureSlruPage(cluster, 'multixact-members', age.nextMultiOffset);
  const offset = new Uint8Array(OFFSET_SIZE);
  new DataView(offset.buffer).setUint32(0, age.nextMultiOffset, true);
  ensureSlruPage(cluster, 'multixact-offsets', age.nextMulti, offset);
}

/** G2: the whole segment with the page of `entry`, and the entry when given. */
function ensureSlruPage(cluster: OracleCluster, slru: Slru, entry: number, content?: Uint8Array): void {
  const perPage = SLRU_ENTRIES_PER_PAGE[slru];
  const page = Math.floor(entry / perPage);
  const offset = (page % SLRU_PAGES_PER_SEGMENT) * PAGE_SIZE + (entry % perPage) * (content?.length ?? 0);
  const pieces = content === undefined ? [] : [{ offset, bytes: content }];
  const path = slruFile(cluster.dataDir, slru, page);
  writeSparse(cluster, { path, sizeBytes: SLRU_PAGES_PER_SEGMENT * PAGE_SIZE, pieces });
}
