/**
 * The record that makes Postgres believe it was shut down cleanly at an LSN: a shutdown checkpoint, and the WAL around it.
 *
 *   S1  `bytes` begin at the page that holds `lsn`: its header, zeros where earlier records were, then the record from `lsn`
 *       on, with a page header wherever it meets a page or segment boundary.
 *   S2  From `lsn` on, `bytes` continue the stream that ended there; a decoder started at `lsn` reads the record.
 *   S3  `redoLsn` of the checkpoint is the record's own LSN, and it names timeline 1, no running transaction.
 *   S4  `walFiles` are the segment files that Postgres needs in pg_wal to start from it, everything else in them zeros.
 */
import { Lsn, type SystemId } from '@neon/kernel';
import { WalEncoder } from '../wal/encoder';
import { SHORT_PAGE_HEADER_SIZE, WAL_PAGE_SIZE } from '../wal/layout';
import { encodePageHeader, walPageHeaderSize } from '../wal/page-header';
import type { PostgresMajor } from '../wal/record';
import { Rmgr } from '../wal/rmgr';
import { WalSegment } from '../wal/segment';
import { Checkpoint } from './checkpoint';

const TIMELINE_ID = 1;
const CHECKPOINT_SHUTDOWN = 0x00;

export interface ShutdownCheckpointOptions {
  readonly major: PostgresMajor;
  /** Where WAL ended: the end of a record. */
  readonly lsn: Lsn;
  /** Start of the record that ended there. */
  readonly prevLsn: Lsn;
  readonly checkpoint: Checkpoint;
  readonly systemId: SystemId;
  readonly segmentSize: number;
}

export interface SparseWalFile {
  readonly fileName: string;
  readonly startLsn: Lsn;
  readonly sizeBytes: number;
  readonly pieces: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

export interface ShutdownCheckpoint {
  /** The page boundary at or below `lsn`, where `bytes` begin. */
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
  readonly recordLsn: Lsn;
  readonly endLsn: Lsn;
  /** The checkpoint as the record holds it, for pg_control. */
  readonly checkpoint: Checkpoint;
  readonly walFiles: readonly SparseWalFile[];
}

export function encodeShutdownCheckpoint(options: ShutdownCheckpointOptions): ShutdownCheckpoint {
  const { major, lsn, prevLsn, systemId, segmentSize } = options;
  const inPage = lsn % WAL_PAGE_SIZE;
  if (lsn % 8 !== 0 || (inPage > 0 && inPage < SHORT_PAGE_HEADER_SIZE))
    throw new RangeError(`no record can end at ${Lsn.format(lsn)}`);
  const startLsn = Lsn.of(lsn - inPage);
  const format = { major, segmentSize };
  const pageHeader = encodePageHeader(format, { lsn: startLsn, systemId, timelineId: TIMELINE_ID, remaining: 0 });
  const recordLsn = nextRecordLsn(lsn, segmentSize);
  const checkpoint: Checkpoint = {
    ...options.checkpoint,
    redoLsn: recordLsn,
    timelineId: TIMELINE_ID,
    prevTimelineId: TIMELINE_ID,
    oldestActiveXid: 0,
  };
  const encoder = new WalEncoder({ ...format, startLsn: lsn, prevLsn, systemId, timelineId: TIMELINE_ID });
  const record = encoder.append({
    rmid: Rmgr.XLOG,
    info: CHECKPOINT_SHUTDOWN,
    main: Checkpoint.encode(checkpoint, major),
  });
  const bytes = new Uint8Array(inPage + record.bytes.length);
  if (inPage > 0) bytes.set(pageHeader);
  bytes.set(record.bytes, inPage);
  const walFiles = layOutFiles({ startLsn, bytes, format, systemId });
  return { startLsn, bytes, recordLsn, endLsn: record.endLsn, checkpoint, walFiles };
}

interface Extent {
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
  readonly format: { readonly major: PostgresMajor; readonly segmentSize: number };
  readonly systemId: SystemId;
}

function layOutFiles({ startLsn, bytes, format, systemId }: Extent): SparseWalFile[] {
  const { segmentSize } = format;
  const endLsn = Lsn.advance(startLsn, bytes.length);
  const files: SparseWalFile[] = [];
  for (let lsn = startLsn; lsn < endLsn;) {
    const segmentLsn = WalSegment.startLsn({ lsn, segmentSize });
    const take = Math.min(endLsn, segmentLsn + segmentSize) - lsn;
    const from = lsn - startLsn;
    const piece = { offset: lsn - segmentLsn, bytes: bytes.subarray(from, from + take) };
    const header = encodePageHeader(format, { lsn: segmentLsn, systemId, timelineId: TIMELINE_ID, remaining: 0 });
    files.push({
      fileName: WalSegment.fileName({ lsn, segmentSize, timelineId: TIMELINE_ID }),
      startLsn: segmentLsn,
      sizeBytes: segmentSize,
      pieces: lsn === segmentLsn ? [piece] : [{ offset: 0, bytes: header }, piece],
    });
    lsn = Lsn.advance(lsn, take);
  }
  return files;
}

/** Where a record appended at the record end `lsn` begins: behind the page header when `lsn` is a page boundary. */
export const nextRecordLsn = (lsn: Lsn, segmentSize: number): Lsn =>
  lsn % WAL_PAGE_SIZE === 0 ? Lsn.advance(lsn, walPageHeaderSize(lsn, segmentSize)) : lsn;
