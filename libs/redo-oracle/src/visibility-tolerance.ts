/**
 * Two ways in which a visibility map of Postgres differs from its replay without harm: bits of the primary that replay
 * lacks, or has longer.
 *
 *   T1  Before 17.11 and 18.6 a bit is cleared on the primary before the record that says so is written, without a lock on
 *       the map: the image of a neighbour's VISIBLE record may already lack it. Replay then has all bits of the image, and
 *       more for a while. Accepted for images of records; at the end of a run both have cleared it.
 *   T2  CREATE DATABASE with the WAL_LOG strategy logs map pages as if they had a hole, which is all they hold: they replay
 *       as empty. A bit that is missing costs a page read and nothing else. Accepted in databases made that way, and in
 *       copies of their files.
 */
import { PAGE_SIZE, type Mismatch } from '@neon/postgres';

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
