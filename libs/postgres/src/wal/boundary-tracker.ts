/**
 * Where records end, checksums included, without keeping or parsing them: what a safekeeper reports as flushed, and how it
 * finds the end of its WAL after a restart.
 *
 *   B1  `endLsn` is the end of the last record whose every byte was pushed and whose checksum holds.
 *   B2  `push` throws `WalError` at the first byte that cannot be right; `endLsn` stays where it was. Over the zeros of a
 *       segment file the reason is `end-of-wal`.
 */
import { crc32cExtend, type Lsn } from '@neon/kernel';
import { readU32 } from '../page/little-endian';
import { RECORD_HEADER_SIZE, RecordAt } from './layout';
import { placedRecordHasChecksum } from './record-checksum';
import { RecordFramer, type RecordSink, type WalStreamOptions } from './record-framer';
import { WalError } from './wal-error';

export class WalBoundaryTracker {
  private readonly summer = new RecordSummer();
  private readonly framer: RecordFramer;
  /** End of the last complete record, or `startLsn`. */
  endLsn: Lsn;
  /** Start of the last complete record, or `startLsn` as long as there is none. */
  lastRecordLsn: Lsn;

  constructor(options: WalStreamOptions) {
    this.framer = new RecordFramer(options, this.summer);
    this.endLsn = options.startLsn;
    this.lastRecordLsn = options.startLsn;
  }

  /** LSN up to which bytes have been pushed. */
  get receivedLsn(): Lsn {
    return this.framer.receivedLsn;
  }

  /** Takes the bytes that follow and returns `endLsn`. @throws WalError */
  push(bytes: Uint8Array): Lsn {
    const { framer, summer } = this;
    framer.push(bytes);
    while (framer.next()) {
      const sound = framer.offset < 0 ? summer.matches() : placedRecordHasChecksum(framer.viewed, framer);
      if (!sound) framer.fail(new WalError('checksum', framer.lsn, 'record does not have its checksum'));
      this.endLsn = framer.endLsn;
      this.lastRecordLsn = framer.lsn;
    }
    return this.endLsn;
  }
}

/** Sums a record up as its pieces pass by. */
class RecordSummer implements RecordSink {
  private readonly header = new Uint8Array(RECORD_HEADER_SIZE);
  private running = 0;

  begin(header: Uint8Array): void {
    this.header.set(header);
    this.running = 0xffff_ffff;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    this.running = crc32cExtend(this.running, bytes, start, end);
  }

  matches(): boolean {
    const sum = (crc32cExtend(this.running, this.header, 0, RecordAt.crc) ^ 0xffff_ffff) >>> 0;
    return sum === readU32(this.header, RecordAt.crc);
  }
}
