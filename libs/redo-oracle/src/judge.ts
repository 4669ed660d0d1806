/** The verdict on one page: what redo made of a record's block against the image that the record carries of it. */
import type { Lsn } from '@neon/kernel';
import {
  Fork,
  PAGE_SIZE,
  checkConsistency,
  imageHides,
  pageKindOfRmgr,
  recordName,
  restoreImage,
  type BlockReference,
  type Change,
  type ImageCodecs,
  type Mismatch,
  type WalRecord,
} from '@neon/postgres';
import { imageClearedEarly, replayLostBits } from './tolerance';

export interface Redone {
  readonly redone: Uint8Array;
  /** The page's LSN before the record; zero when there was no page. */
  readonly lsnBefore: Lsn;
  readonly loggedDatabases: ReadonlySet<number>;
  readonly codecs: ImageCodecs;
}

/** Of a block that has an image to check with. @returns null when they agree */
export function judgeBlock(
  record: WalRecord,
  block: BlockReference,
  { redone, lsnBefore, loggedDatabases, codecs }: Redone,
): Mismatch | 'tolerated' | null {
  const mismatch = checkConsistency(record, block, { redone, codecs });
  if (mismatch === null) return judgeHidden(record, block, { redone, lsnBefore, codecs });
  const lost = loggedDatabases.has(block.relation.databaseOid) && replayLostBits(mismatch);
  return imageClearedEarly(mismatch) || lost ? 'tolerated' : mismatch;
}

const image = new Uint8Array(PAGE_SIZE);

function judgeHidden(
  record: WalRecord,
  block: BlockReference,
  { redone, lsnBefore, codecs }: Omit<Redone, 'loggedDatabases'>,
): Mismatch | null {
  const kind = block.fork === Fork.VISIBILITY_MAP ? 'visibility-map' : pageKindOfRmgr(record.rmid);
  if (kind === undefined) return null;
  restoreImage(record, block, { ...codecs, into: image });
  const difference = imageHides(image, redone, { kind, lsns: [lsnBefore] });
  return difference === null ? null : { kind, ...difference, expected: image.slice(), actual: redone.slice() };
}

/** Adds a database that was logged page by page, or copied from one that was, to those whose visibility maps are empty (T2). */
export function noteLoggedDatabase(record: WalRecord, change: Change, loggedDatabases: Set<number>): void {
  if (change.kind !== 'database-create') return;
  const copied = change.copyOf !== null && loggedDatabases.has(change.copyOf.databaseOid);
  if (copied || recordName(record) === 'Database/CREATE_WAL_LOG') loggedDatabases.add(change.databaseOid);
}
