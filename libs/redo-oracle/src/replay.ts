/**
 * Replays WAL into a store and compares every page image that is there to be compared.
 *
 *   R1  Tablespace records are refused, and by nothing but `UnsupportedRecord`; every other record is replayed.
 */
import { Lsn } from '@neon/kernel';
import {
  Rmgr,
  UnsupportedRecord,
  describeRecord,
  hasCheckImage,
  isParameterChange,
  pageKindOf,
  pageLsn,
  parseParameterChange,
  recordName,
  type BlockReference,
  type Change,
  type ChangeSettings,
  type WalRecord,
} from '@neon/postgres';
import { redoOnCopies, type RedoneAtOnce } from './direct-redo';
import { judgeBlock, noteLoggedDatabase } from './judge';
import type { PageStore } from './page-store';
import { LIBRARY_REDO, type Redo } from './redo';
import { NOWHERE, excerpt, formatRecordLsn, type Findings, type RecordTypeCount } from './report';

export class Replay {
  /** Databases whose visibility maps are replayed empty (T2). */
  readonly loggedDatabases = new Set<number>();
  /** Transactions with an xid that committed. */
  commitCount = 0;

  constructor(
    private readonly store: PageStore,
    private readonly findings: Findings,
    private settings: ChangeSettings,
    /** Another than the library's, whose redo at once is no standard for it, is judged by images alone. */
    private readonly redo: Pick<Redo, 'changesOf'> = LIBRARY_REDO,
  ) {}

  step(record: WalRecord): void {
    const name = describeRecord(record);
    const count = this.findings.countOf(name);
    count.records++;
    this.findings.recordCount++;
    this.settings = settingsAfter(record, this.settings);
    if (isCommit(record)) this.commitCount++;
    const lsnsBefore = record.blocks.map((block) => this.lsnOf(block));
    const redone =
      this.redo === LIBRARY_REDO ? redoOnCopies(record, { store: this.store, settings: this.settings }) : null;
    const changes = this.changesOf(record, count);
    for (const change of changes) {
      noteLoggedDatabase(record, change, this.loggedDatabases);
      this.store.apply(change, record.endLsn);
    }
    if (redone !== null) this.checkDirect(record, changes.length, redone);
    record.blocks.forEach((block, index) => {
      if (hasCheckImage(record, block)) this.check(record, block, { count, lsnBefore: lsnsBefore[index] ?? Lsn.ZERO });
    });
  }

  private lsnOf(block: BlockReference): Lsn {
    const page = this.store.page({ kind: 'relation', ...block });
    return page === undefined ? Lsn.ZERO : pageLsn(page);
  }

  /** R1 */
  private changesOf(record: WalRecord, count: RecordTypeCount): readonly Change[] {
    try {
      return this.redo.changesOf(record, this.settings);
    } catch (error) {
      if (record.rmid !== Rmgr.TABLESPACE || !(error instanceof UnsupportedRecord)) throw error;
      count.refused++;
      return [];
    }
  }

  /** I1 of `redoRecord`: the pages that it made are those that the record's deltas made, and it handed on the other changes. */
  private checkDirect(record: WalRecord, changeCount: number, { pages, changeCount: others }: RedoneAtOnce): void {
    const what = `${formatRecordLsn(describeRecord(record), record.lsn)}, redone at once`;
    if (record.blocks.length > 0 && pages.length + others !== changeCount) {
      const page = `${pages.length} pages and ${others} other changes instead of ${changeCount}`;
      this.findings.add({ where: 'record', what, page, kind: 'file', ...NOWHERE });
    }
    for (const { block, page } of pages) {
      const expected = this.store.pageOf(block);
      if (Buffer.compare(expected, page) === 0) continue;
      const offset = expected.findIndex((byte, at) => byte !== page[at]);
      this.findings.add({
        where: 'record',
        what,
        page: nameOf(block),
        kind: pageKindOf(expected, block.block),
        offset,
        byteCount: expected.filter((byte, at) => byte !== page[at]).length,
        expected: excerpt(expected, offset),
        actual: excerpt(page, offset),
      });
    }
  }

  private check(
    record: WalRecord,
    block: BlockReference,
    { count, lsnBefore }: { count: RecordTypeCount; lsnBefore: Lsn },
  ): void {
    const redone = this.store.page({ kind: 'relation', ...block });
    // A block that the record only locks may belong to a page that was never written.
    if (redone === undefined) return;
    count.imagesCompared++;
    this.findings.imagesCompared++;
    const { loggedDatabases, settings: codecs } = this;
    const mismatch = judgeBlock(record, block, { redone, lsnBefore, loggedDatabases, codecs });
    if (mismatch === null) return;
    if (mismatch === 'tolerated') {
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

/** The settings that hold from a record on. */
export function settingsAfter(record: WalRecord, settings: ChangeSettings): ChangeSettings {
  if (!isParameterChange(record)) return settings;
  const { walLogHints, trackCommitTimestamp } = parseParameterChange(record);
  return { ...settings, walLogHints, trackCommitTimestamp };
}

/** A commit of a transaction that has an xid; that of a prepared one is not the record's own. */
function isCommit(record: WalRecord): boolean {
  const name = recordName(record);
  return (name === 'Transaction/COMMIT' && record.xid !== 0) || name === 'Transaction/COMMIT_PREPARED';
}

function nameOf({ id, relation, fork, block }: BlockReference): string {
  const { tablespaceOid, databaseOid, relationNumber } = relation;
  return `block ${id}: ${tablespaceOid}/${databaseOid}/${relationNumber} fork ${fork} block ${block}`;
}
