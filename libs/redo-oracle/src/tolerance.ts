/**
 * Where a server's pages differ from what its WAL says, in Postgres' own replay as in ours.
 *
 *   T1  Before 17.11 and 18.6 a bit is cleared on the primary before the record that says so is written, without a lock on
 *       the map: the image of a neighbour's VISIBLE record may already lack it. Replay then has all bits of the image, and
 *       more for a while. Accepted for images of records; at the end of a run both have cleared it.
 *   T2  CREATE DATABASE with the WAL_LOG strategy logs map pages as if they had a hole, which is all they hold: they replay
 *       as empty. A bit that is missing costs a page read and nothing else. Accepted in databases made that way, and in
 *       copies of their files.
 *   T3  From 16 on bloom makes the metapage of an unlogged index's init fork through Generic WAL, which logs nothing for an
 *       unlogged relation: its replay is empty (BloomInitMetapage, GenericXLogStart).
 *   T4  A visibility map page is given its header when a relation's map grows, which is not logged (vm_extend): until a bit of it
 *       is set, its replay is all zeros.
 *   T5  Before 16 the init forks of unlogged Btree, SP-GiST and bloom indexes are written before they are logged (btbuildempty,
 *       spgbuildempty, blbuildempty): their pages on disk have no LSN, replayed ones have the record's.
 */
import {
  Fork,
  PAGE_HEADER_SIZE,
  PAGE_SIZE,
  pageLsn,
  type Mismatch,
  type PostgresMajor,
  type RelationId,
} from '@neon/postgres';

const hasNothing = (page: Uint8Array, from: number): boolean => page.every((byte, at) => at < from || byte === 0);

/** Whether every bit that `part` has is also set in `whole`. */
function isSubset(part: Uint8Array, whole: Uint8Array): boolean {
  for (let at = 0; at < PAGE_SIZE; at++) if (((part[at] as number) & ~(whole[at] as number)) !== 0) return false;
  return true;
}

/** T1 */
export const imageClearedEarly = ({ kind, expected, actual }: Mismatch): boolean =>
  kind === 'visibility-map' && isSubset(expected, actual);

/** T2 */
export const replayLostBits = ({ kind, expected, actual }: Mismatch): boolean =>
  kind === 'visibility-map' && isSubset(actual, expected);

/** BLOOM_PAGE_ID, the last two bytes of a bloom index's pages. */
const BLOOM_PAGE_ID = 0xff83;

/** T3 */
export const bloomInitNotLogged = ({ expected, actual }: Mismatch, fork: Fork): boolean =>
  fork === Fork.INIT &&
  ((expected[PAGE_SIZE - 2] as number) | ((expected[PAGE_SIZE - 1] as number) << 8)) === BLOOM_PAGE_ID &&
  hasNothing(actual, 0);

/** T4 */
export const emptyMapNotLogged = ({ kind, expected, actual }: Mismatch): boolean =>
  kind === 'visibility-map' && hasNothing(expected, PAGE_HEADER_SIZE) && hasNothing(actual, 0);

const LSN_SIZE = 8;

/** T5 */
export const initForkWrittenFirst = (
  { expected, actual }: Mismatch,
  { fork, major }: { readonly fork: Fork; readonly major: PostgresMajor },
): boolean =>
  major < 16 &&
  fork === Fork.INIT &&
  pageLsn(expected) === 0 &&
  expected.every((byte, at) => at < LSN_SIZE || byte === actual[at]);

export interface FinalPlace {
  readonly relation: Pick<RelationId, 'databaseOid'>;
  readonly fork: Fork;
  readonly major: PostgresMajor;
  /** T2 */
  readonly loggedDatabases: ReadonlySet<number>;
}

/** T2–T5: what may differ where a run has ended. */
export const isToleratedAtEnd = (mismatch: Mismatch, { relation, fork, major, loggedDatabases }: FinalPlace): boolean =>
  (loggedDatabases.has(relation.databaseOid) && replayLostBits(mismatch)) ||
  bloomInitNotLogged(mismatch, fork) ||
  emptyMapNotLogged(mismatch) ||
  initForkWrittenFirst(mismatch, { fork, major });
