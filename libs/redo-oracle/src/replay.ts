/**
 * Replays WAL into a store and compares every page image that is there to be compared.
 *
 *   R1  Tablespace records are refused, and by nothing but `UnsupportedRecord`; every other record is replayed.
 */
import {
  Rmgr,
  UnsupportedRecord,
  changesOf,
  checkConsistency,
  describeRecord,
  hasCheckImage,
  isParameterChange,
  pageKindOf,
  parseParameterChange,
  recordName,
  type BlockReference,
  type Change,
  type ChangeSettings,
  type WalRecord,
} from '@neon/postgres';
import { redoOnCopies } from './direct-redo';
import type { PageStore } from './page-store';
import { excerpt, formatRecordLsn, type Findings, type RecordTypeCount } from './report';
import { imageClearedEarly, replayLostBits } from './tolerance';

const isDatabaseLogged = (record: WalRecord): boolean => recordName(record) === 'Database/CREATE_WAL_LOG';

export class Replay {
  /** Databases whose visibility maps are replayed empty (T2). */
  readonly loggedDatabases = new Set<number>();

  constructor(
    private readonly store: PageStore,
    private readonly findings: Findings,
    private settings: ChangeSettings,
  ) {}

  step(record: WalRecord): void {
    const name = describeRecord(record);
    const count = this.findings.countOf(name);
    count.records++;
    this.findings.recordCount++;
    if (isParameterChange(record)) {
      const { walLogHints, trackCommitTimestamp } = parseParameterChange(record);
      this.settings = { ...this.settings, walLogHints, trackCommitTimestamp };
    }
    const redone = redoOnCopies(record, this.store, this.settings);
    for (const change of this.changesOf(record, count)) {
      if (change.kind === 'database-create' && this.losesVisibility(record, change.copyOf?.databaseOid))
        this.loggedDatabases.add(change.databaseOid);
      this.store.apply(change, record.endLsn);
    }
    for (const { block, page } of redone) this.checkDirect(record, block, page);
    for (const block of record.blocks) if (hasCheckImage(record, block)) this.check(record, block, count);
  }

  /** R1 */
  private changesOf(record: WalRecord, count: RecordTypeCount): readonly Change[] {
    try {
      return changesOf(record, this.settings);
    } catch (error) {
      if (record.rmid !== Rmgr.TABLESPACE || !(error instanceof UnsupportedRecord)) throw error;
      count.refused++;
      return [];
    }
  }

  /** I1 of `redoRecord`: the page that it made is the one that the record's delta made. */
  private checkDirect(record: WalRecord, block: BlockReference, page: Uint8Array): void {
    const expected = this.store.pageOf(block);
    if (Buffer.compare(expected, page) === 0) return;
    const offset = expected.findIndex((byte, at) => byte !== page[at]);
    this.findings.add({
      where: 'record',
      what: `${formatRecordLsn(describeRecord(record), record.lsn)}, redone at once`,
      page: nameOf(block),
      kind: pageKindOf(expected, block.block),
      offset,
      byteCount: expected.filter((byte, at) => byte !== page[at]).length,
      expected: excerpt(expected, offset),
      actual: excerpt(page, offset),
    });
  }

  /** A database that was logged page by page, or copied from one that was. */
  private losesVisibility(record: WalRecord, sourceOid: number | undefined): boolean {
    return isDatabaseLogged(record) || (sourceOid !== undefined && this.loggedDatabases.has(sourceOid));
  }

  private check(record: WalRecord, block: BlockReference, count: RecordTypeCount): void {
    const redone = this.store.page({ kind: 'relation', ...block });
    // A block that the record only locks may belong to a page that was never written.
    if (redone === undefined) return;
    count.imagesCompared++;
    this.findings.imagesCompared++;
    const mismatch = checkConsistency(record, block, { redone, codecs: this.settings });
    if (mismatch === null) return;
    if (
      imageClearedEarly(mismatch) ||
      (this.loggedDatabases.has(block.relation.databaseOid) && replayLostBits(mismatch))
    ) {
      this.findings.toleratedPages++;
      return;
    }
    count.mismatches++;
    this.findings.add({
      where: 'record',
      what: formatRecordLsn(describeRecord(record), record.lsn),
      page: nameOf(block),
      kind: mismatch.kind,
      offset: mismatch.offset,
      byteCount: mismatch.byteCount,
      expected: excerpt(mismatch.expected, mismatch.offset),
      actual: excerpt(mismatch.actual, mismatch.offset),
    });
  }
}

function nameOf({ id, relation, fork, block }: BlockReference): string {
  const { tablespaceOid, databaseOid, relationNumber } = relation;
  return `block ${id}: ${tablespaceOid}/${databaseOid}/${relationNumber} fork ${fork} block ${block}`;
}
