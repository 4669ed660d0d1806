/** The records in a data directory's pg_wal, in order. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { WalDecoder, WalSegment, type PostgresMajor, type WalRecord } from '@neon/postgres';

export interface WalRange {
  /** The beginning of the first record. */
  readonly startLsn: Lsn;
  /** The beginning of the last record that is wanted. */
  readonly lastLsn: Lsn;
  readonly segmentSize: number;
  readonly major: PostgresMajor;
}

export function* readWal(dataDir: string, { startLsn, lastLsn, segmentSize, major }: WalRange): Generator<WalRecord> {
  const decoder = new WalDecoder({ major, startLsn, segmentSize });
  let at = startLsn;
  for (;;) {
    const segment = new Uint8Array(
      readFileSync(join(dataDir, 'pg_wal', WalSegment.fileName({ lsn: at, segmentSize }))),
    );
    decoder.push(segment.subarray(WalSegment.offset({ lsn: at, segmentSize })));
    for (let record = decoder.next(); record !== null; record = decoder.next()) {
      yield record;
      if (record.lsn >= lastLsn) return;
    }
    at = Lsn.advance(WalSegment.startLsn({ lsn: at, segmentSize }), segmentSize);
  }
}
