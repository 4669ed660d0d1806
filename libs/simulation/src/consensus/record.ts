/**
 * WAL of a simulated compute: records with a length, a checksum over content and place, and who wrote them in which term.
 * The consensus sees bytes and ends of records, as it does with Postgres' WAL.
 */
import { Lsn, crc32c } from '@neon/kernel';

const HEADER_SIZE = 20;

export interface RecordOrigin {
  readonly term: number;
  readonly writer: number;
  readonly sequence: number;
}

export function makeRecord(lsn: Lsn, size: number, origin: RecordOrigin): Uint8Array {
  const bytes = new Uint8Array(Math.max(HEADER_SIZE, size));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length);
  view.setUint32(8, origin.term);
  view.setUint32(12, origin.writer);
  view.setUint32(16, origin.sequence);
  view.setUint32(4, checksum(lsn, bytes));
  return bytes;
}

function checksum(lsn: Lsn, record: Uint8Array): number {
  const covered = new Uint8Array(record.length + 4);
  new DataView(covered.buffer).setUint32(0, lsn);
  covered.set(record.subarray(0, 4), 4);
  covered.set(record.subarray(8), 8);
  return crc32c(covered);
}

/** The end of the last whole, sound record in `log[from, limit)`. `log` is indexed by LSN. */
export function scanRecords(log: Uint8Array, from: Lsn, limit = log.length): Lsn {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let lsn = from;
  while (lsn + HEADER_SIZE <= limit) {
    const size = view.getUint32(lsn);
    if (size < HEADER_SIZE || lsn + size > limit) break;
    if (view.getUint32(lsn + 4) !== checksum(lsn, log.subarray(lsn, lsn + size))) break;
    lsn = Lsn.advance(lsn, size);
  }
  return lsn;
}
