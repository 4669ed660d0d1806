/**
 * Which pages to ask storage for while Postgres still starts: those that an earlier start read, as far as they exist.
 *
 *   A1  Only pages of placeholders are asked for, in the order in which they were read.
 *   A2  A page too many costs a read, a page too few a round trip: nothing depends on the list being right.
 */
import type { Placeholder, RelationFork } from '../directory/directory-plan';

/** Blocks of one relation fork next to each other. */
export interface StartRange extends Omit<RelationFork, 'blockCount'> {
  readonly firstBlock: number;
  readonly blockCount: number;
}

export function pagesAhead(earlier: readonly StartRange[], placeholders: readonly Placeholder[]): StartRange[] {
  const lengths = new Map<string, number>();
  for (const each of placeholders) lengths.set(keyOf(each), (lengths.get(keyOf(each)) ?? 0) + each.blockCount);
  return earlier.flatMap((range) => {
    const blockCount = Math.min(range.blockCount, (lengths.get(keyOf(range)) ?? 0) - range.firstBlock);
    return blockCount > 0 ? [{ ...range, blockCount }] : [];
  });
}

/** Oids below are of the databases that initdb makes. */
const FIRST_CUSTOMER_OID = 16_384;

/** Whether the cluster has nobody's databases yet: its first start makes some, from all pages of `template1`. */
export const isFresh = (placeholders: readonly Placeholder[]): boolean =>
  placeholders.every(({ databaseOid }) => databaseOid < FIRST_CUSTOMER_OID);

const keyOf = ({ tablespaceOid, databaseOid, relationNumber, fork }: Omit<RelationFork, 'blockCount'>): string =>
  `${tablespaceOid}/${databaseOid}/${relationNumber}/${fork}`;
