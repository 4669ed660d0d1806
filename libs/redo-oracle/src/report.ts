/**
 * What a run of the oracle found.
 */
import { Lsn } from '@neon/kernel';
import type { PageKind, PostgresMajor } from '@neon/postgres';

export interface RecordTypeCount {
  records: number;
  imagesCompared: number;
  mismatches: number;
  /** Records that storage refuses by design. */
  refused: number;
}

/** Two pages that should be equal and are not. */
export interface PageMismatch {
  readonly scenario: string;
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

/** What was found while scenarios were replayed. */
export interface FindingsSummary {
  readonly types: ReadonlyMap<string, RecordTypeCount>;
  readonly recordCount: number;
  readonly walSizeBytes: number;
  readonly imagesCompared: number;
  /** Pages of data files compared with replayed ones after a clean stop. */
  readonly finalPagesCompared: number;
  /** Pages that may differ: see `tolerance`. */
  readonly toleratedPages: number;
  /** At most MISMATCHES_KEPT of them. */
  readonly mismatches: readonly PageMismatch[];
  readonly mismatchCount: number;
  readonly replayMs: number;
}

export interface RedoReport extends FindingsSummary {
  readonly major: PostgresMajor;
  readonly postgresVersion: string;
  readonly seed: number;
}

export const MISMATCHES_KEPT = 50;

/** Of a mismatch that is no difference of bytes. */
export const NOWHERE = { offset: 0, byteCount: 0, expected: '', actual: '' };

/** The report as text: what was compared, then each mismatch. Counts by record type are `coverage`'s. */
export function formatReport(report: RedoReport): string {
  const megabytes = (report.walSizeBytes / 2 ** 20).toFixed(0);
  return [
    `Postgres ${report.postgresVersion}, seed ${report.seed}: ${report.recordCount} records of ${report.types.size} types, ${megabytes} MiB of WAL, replayed in ${(report.replayMs / 1000).toFixed(1)} s`,
    `  ${report.imagesCompared} page images and ${report.finalPagesCompared} pages of final states compared, ${report.mismatchCount} different, ${report.toleratedPages} within tolerance`,
    ...report.mismatches.map(formatMismatch),
  ].join('\n');
}

const formatMismatch = (mismatch: PageMismatch): string =>
  [
    `DIFFERENT in ${mismatch.scenario}: ${mismatch.where} ${mismatch.what} ${mismatch.page} (${mismatch.kind}): ${mismatch.byteCount} bytes from ${mismatch.offset}`,
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
  toleratedPages = 0;
  walSizeBytes = 0;
  replayMs = 0;
  /** The one that is being replayed. */
  scenario = '';

  countOf(name: string): RecordTypeCount {
    const existing = this.types.get(name);
    if (existing !== undefined) return existing;
    const count = { records: 0, imagesCompared: 0, mismatches: 0, refused: 0 };
    this.types.set(name, count);
    return count;
  }

  add(mismatch: Omit<PageMismatch, 'scenario'>): void {
    this.mismatchCount++;
    if (this.mismatches.length < MISMATCHES_KEPT) this.mismatches.push({ scenario: this.scenario, ...mismatch });
  }

  summary(): FindingsSummary {
    const { types, recordCount, walSizeBytes, imagesCompared, finalPagesCompared } = this;
    const { toleratedPages, mismatches, mismatchCount, replayMs } = this;
    return {
      types,
      recordCount,
      walSizeBytes,
      imagesCompared,
      finalPagesCompared,
      toleratedPages,
      mismatches,
      mismatchCount,
      replayMs,
    };
  }
}

const EXCERPT_SIZE = 32;

/** The bytes around a difference, in hexadecimal. */
export const excerpt = (bytes: Uint8Array, offset: number): string =>
  Buffer.from(bytes.subarray(offset, offset + EXCERPT_SIZE)).toString('hex');
