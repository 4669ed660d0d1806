/**
 * From WAL bytes, as they arrive, to records.
 *
 *   D1  However the stream is cut into chunks, the same records come out (F1).
 *   D2  `endLsn` is the end of the last record returned by `next`: what may be reported as received (F2).
 *   D3  Every malformed input throws `WalError` with an LSN, and then every further call does.
 *   D4  A record's bytes never change afterwards: it lies in the pushed chunk, which the caller leaves as it is, or, when it
 *       crosses pages or chunks, in a stitched copy.
 *   D5  Memory follows the bytes that arrived: what a record's header says of its size is not believed before they are here.
 *   D6  An XLOG/OVERWRITE_CONTRECORD names the record that was dropped just before it (F5), as Postgres demands.
 *
 * @example
 * const decoder = new WalDecoder({ major: 17, startLsn, segmentSize: 16 << 20 });
 * decoder.push(bytes);
 * for (let record = decoder.next(); record !== null; record = decoder.next()) ingest(record);
 */
import { Lsn } from '@neon/kernel';
import { ByteSlab } from './byte-slab';
import { RECORD_HEADER_SIZE, RMGR_INFO_MASK } from './layout';
import { MainDataReader } from './main-data';
import { parsePlacedRecord, parseRecord } from './parse-record';
import type { WalRecord } from './record';
import { placedRecordHasChecksum, recordHasChecksum } from './record-checksum';
import { RecordFramer, XLOG_OVERWRITE_CONTRECORD, type RecordSink, type WalStreamOptions } from './record-framer';
import { Rmgr } from './rmgr';
import { WalError } from './wal-error';

export class WalDecoder {
  private readonly stitcher = new RecordStitcher();
  private readonly framer: RecordFramer;

  /** End of the last record returned, or `startLsn`. */
  endLsn: Lsn;

  constructor(options: WalStreamOptions) {
    this.framer = new RecordFramer(options, this.stitcher);
    this.endLsn = options.startLsn;
  }

  /** LSN up to which bytes have been pushed. */
  get receivedLsn(): Lsn {
    return this.framer.receivedLsn;
  }

  /** The WAL bytes that follow those pushed before. */
  push(bytes: Uint8Array): void {
    this.framer.push(bytes);
  }

  /** The next record, or null until more bytes are pushed. @throws WalError */
  next(): WalRecord | null {
    const { framer } = this;
    if (!framer.next()) return null;
    const { lsn, endLsn, offset, viewed } = framer;
    const stitched = offset < 0 ? this.stitcher.take() : null;
    const isSound = stitched === null ? placedRecordHasChecksum(viewed, framer) : recordHasChecksum(stitched);
    if (!isSound) framer.fail(new WalError('checksum', lsn, 'record does not have its checksum'));
    try {
      const record =
        stitched === null ? parsePlacedRecord(viewed.bytes, framer, framer) : parseRecord(stitched, framer);
      checkOverwrite(record, framer.overwrittenLsn);
      this.endLsn = endLsn;
      return record;
    } catch (error) {
      return framer.fail(error);
    }
  }
}

/** D6 */
function checkOverwrite(record: WalRecord, overwrittenLsn: Lsn | null): void {
  if (record.rmid !== Rmgr.XLOG || (record.info & RMGR_INFO_MASK) !== XLOG_OVERWRITE_CONTRECORD) return;
  const named = new MainDataReader(record).lsn();
  if (named !== overwrittenLsn)
    throw new WalError('continuation', record.lsn, `the record at ${Lsn.format(named)} was not the one overwritten`);
}

/** D5: room for the first pieces of a record, and from then on for twice as much as there is. */
const FIRST_ROOM_MAX = 64 * 1024;

class RecordStitcher implements RecordSink {
  private readonly slab = new ByteSlab();
  private record: Uint8Array = new Uint8Array(0);
  private have = 0;
  private size = 0;

  begin(header: Uint8Array, size: number): void {
    this.record = this.slab.allocate(Math.min(size, FIRST_ROOM_MAX));
    this.record.set(header);
    this.have = RECORD_HEADER_SIZE;
    this.size = size;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    const have = this.have + end - start;
    if (have > this.record.length) {
      const larger = new Uint8Array(Math.min(this.size, have * 2));
      larger.set(this.record.subarray(0, this.have));
      this.record = larger;
    }
    this.record.set(bytes.subarray(start, end), this.have);
    this.have = have;
  }

  take(): Uint8Array {
    return this.record;
  }
}
