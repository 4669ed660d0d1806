/**
 * What a run of the oracle found.
 */
import { Lsn } from '@neon/kernel';
import type { PageKind } from '@neon/postgres';

export interface RecordTypeCount {
  records: number;
  imagesCompared: number;
  mismatches: number;
}

/** Two pages that should be equal and are not. */
export interface PageMismatch {
  readonly where: 'record' | 'final state';
  /** The record's name and LSN; of the final state, the file's kind. */
  readonly what: string;
  readonly page: string;
  readonly kind: PageKind | 'slru' | 'file';
  readonly offset: number;
  readonly byteCount: number;
  readonly expected: string;
  readonly actual: string;
}

export interface RedoReport {
  readonly seed: number;
  readonly postgresVersion: string;
  readonly types: ReadonlyMap<string, RecordTypeCount>;
  readonly recordCount: number;
  readonly walSizeBytes: number;
  readonly imagesCompared: number;
  /** Pages of data files compared with replayed ones after a clean stop. */
  readonly finalPagesCompared: number;
  /** Visibility map pages that may differ: see `visibility-tolerance`. */
  readonly toleratedVisibilityPages: number;
  /** At most MISMATCHES_KEPT of them. */
  readonly mismatches: readonly PageMismatch[];
  readonly mismatchCount: number;
  readonly replayMs: number;
}

export const MISMATCHES_KEPT = 50;

/** The report as text: a table of record types, then each mismatch. */
export function formatReport(report: RedoReport): string {
  const rows = [...report.types]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => {
      const columns = [count.records, count.imagesCompared, count.mismatches].map((value) =>
        String(value).padStart(10),
      );
      return `${name.padEnd(32)}${columns.join('')}`;
    });
  const megabytes = (report.walSizeBytes / 2 ** 20).toFixed(0);
  return [
    `${'record type'.padEnd(32)}${'records'.padStart(10)}${'compared'.padStart(10)}${'different'.padStart(10)}`,
    ...rows,
    '',
    `Postgres ${report.postgresVersion}, seed ${report.seed}: ${report.recordCount} records of ${report.types.size} types, ${megabytes} MiB of WAL, replayed in ${(report.replayMs / 1000).toFixed(1)} s`,
    `${report.imagesCompared} page images and ${report.finalPagesCompared} pages of the final state compared, ${report.mismatchCount} different, ${report.toleratedVisibilityPages} visibility map pages within tolerance`,
    ...report.mismatches.map(formatMismatch),
  ].join('\n');
}

const formatMismatch = (mismatch: PageMismatch): string =>
  [
    `DIFFERENT ${mismatch.where} ${mismatch.what} ${mismatch.page} (${mismatch.kind}): ${mismatch.byteCount} bytes from ${mismatch.offset}`,
    `  expected ${mismatch.expected}`,
    `  actual   ${mismatch.actual}`,
  ].join('\n');

export const formatRecordLsn = (name: string, lsn: Lsn): string => `${name} at ${Lsn.format(lsn)}`;

/** Collects counts and mismatches while a run goes on. */
export class Findings {
  readonly types = new Map<string, RecordTypeCount>();
  readonly mismatches: PageMismatch[] = [];
  mismatchCount = 0;
  imagesCompared = 0;
  recordCount = 0;
  finalPagesCompared = 0;
  toleratedVisibilityPages = 0;

  countOf(name: string): RecordTypeCount {
    const existing = this.types.get(name);
    if (existing !== undefined) return existing;
    const count = { records: 0, imagesCompared: 0, mismatches: 0 };
    this.types.set(name, count);
    return count;
  }

  add(mismatch: PageMismatch): void {
    this.mismatchCount++;
    if (this.mismatches.length < MISMATCHES_KEPT) this.mismatches.push(mismatch);
  }
}

const EXCERPT_SIZE = 32;

/** The bytes around a difference, in hexadecimal. */
export const excerpt = (bytes: Uint8Array, offset: number): string =>
  Buffer.from(bytes.subarray(offset, offset + EXCERPT_SIZE)).toString('hex');
