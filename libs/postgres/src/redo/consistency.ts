/**
 * Postgres' own check of redo (verifyBackupPageConsistency): with wal_consistency_checking a record carries, for each
 * block, the page as it must be afterwards.
 *
 *   X1  `checkConsistency` is null if and only if the redone page equals that image in all that WAL promises (masks, M1).
 *   X2  Images that redo itself starts from prove nothing and are not compared.
 */
import { maskPage } from '../page/mask';
import { PAGE_SIZE } from '../page/page-header';
import { pageKindOfRmgr, type PageKind } from '../page/page-kind';
import { restoreImage, type ImageCodecs } from '../wal/image';
import { Fork, type BlockReference, type WalRecord } from '../wal/record';

export interface Mismatch {
  readonly kind: PageKind;
  /** The first byte that differs, and how many do, in the masked pages. */
  readonly offset: number;
  readonly byteCount: number;
  /** Both pages, masked. */
  readonly expected: Uint8Array;
  readonly actual: Uint8Array;
}

/** Whether the record has an image of the block to compare with. */
export const hasCheckImage = (record: WalRecord, block: BlockReference): boolean =>
  block.image !== null && !block.image.apply && pageKindOfRmgr(record.rmid) !== undefined;

/** Compares the block's page after redo with the image that the record carries for it; null when they agree. */
export function checkConsistency(
  record: WalRecord,
  block: BlockReference,
  { redone, codecs = {} }: { redone: Uint8Array; codecs?: ImageCodecs },
): Mismatch | null {
  if (!hasCheckImage(record, block)) return null;
  const kind = block.fork === Fork.VISIBILITY_MAP ? 'visibility-map' : pageKindOfRmgr(record.rmid);
  if (kind === undefined) return null;
  return comparePages(restoreImage(record, block, codecs), redone, { kind, block: block.block });
}

/** Compares two pages of a kind; null when they are equal once masked. Neither is changed. */
export function comparePages(
  expected: Uint8Array,
  actual: Uint8Array,
  { kind, block }: { kind: PageKind; block: number },
): Mismatch | null {
  const left = expected.slice();
  const right = actual.slice();
  maskPage(left, kind, block);
  maskPage(right, kind, block);
  let offset = -1;
  let byteCount = 0;
  for (let at = 0; at < PAGE_SIZE; at++) {
    if (left[at] === right[at]) continue;
    if (offset < 0) offset = at;
    byteCount++;
  }
  return byteCount === 0 ? null : { kind, offset, byteCount, expected: left, actual: right };
}
