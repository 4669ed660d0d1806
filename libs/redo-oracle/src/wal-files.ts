/** The records in a data directory's pg_wal, in order. */
import { readFileSync, readdirSync } from 'node:fs';
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

/** Bytes of a data directory's WAL from `lsn` on, up to the end of the segment. */
export function readWalBytes(dataDir: string, { lsn, segmentSize }: { lsn: Lsn; segmentSize: number }, size: number) {
  const walDir = join(dataDir, 'pg_wal');
  const file = readFileSync(join(walDir, newestOf(segmentNames(walDir), { lsn, segmentSize })));
  const offset = WalSegment.offset({ lsn, segmentSize });
  return new Uint8Array(file.subarray(offset, offset + size));
}

export function* readWal(dataDir: string, { startLsn, lastLsn, segmentSize, major }: WalRange): Generator<WalRecord> {
  const decoder = new WalDecoder({ major, startLsn, segmentSize });
  const walDir = join(dataDir, 'pg_wal');
  const names = segmentNames(walDir);
  let at = startLsn;
  for (;;) {
    const segment = new Uint8Array(readFileSync(join(walDir, newestOf(names, { lsn: at, segmentSize }))));
    decoder.push(segment.subarray(WalSegment.offset({ lsn: at, segmentSize })));
    for (let record = decoder.next(); record !== null; record = decoder.next()) {
      yield record;
      if (record.lsn >= lastLsn) return;
    }
    at = Lsn.advance(WalSegment.startLsn({ lsn: at, segmentSize }), segmentSize);
  }
}

const segmentNames = (walDir: string): string[] => readdirSync(walDir).filter((name) => /^[0-9A-F]{24}$/.test(name));

const TIMELINE_DIGITS = 8;

/** A promotion begins a timeline with a copy of the segment that it happened in: the newest one has it all. */
function newestOf(names: readonly string[], address: { lsn: Lsn; segmentSize: number }): string {
  const wanted = WalSegment.fileName(address);
  const found = names.filter((name) => name.slice(TIMELINE_DIGITS) === wanted.slice(TIMELINE_DIGITS)).sort();
  return found.at(-1) ?? wanted;
}
