/**
 * Postgres' own check of redo (verifyBackupPageConsistency): with wal_consistency_checking a record carries, for each
 * block, the page as it must be afterwards.
 *
 *   X1  `checkConsistency` is null if and only if the redone page equals that image in all that WAL promises (masks, M1).
 *   X2  Images that redo itself starts from prove nothing and are not compared.
 */
import { maskPage } from '../page/mask';
import { maskUnlogged } from '../page/mask-unlogged';
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
  return comparePages(restoreImage(record, block, { ...codecs, into: image }), redone, { kind, block: block.block });
}

/** A run compares millions of pages: masks work on these, and only a mismatch is copied out of them. */
const image = new Uint8Array(PAGE_SIZE);
const left = new Uint8Array(PAGE_SIZE);
const right = new Uint8Array(PAGE_SIZE);
const leftWords = new Int32Array(left.buffer);
const rightWords = new Int32Array(right.buffer);

export interface ComparedAs {
  readonly kind: PageKind;
  readonly block: number;
  /** The expected page is a server's file, not an image from WAL: it holds state that is not logged (`mask-unlogged`). */
  readonly fromFile?: boolean;
}

/** Compares two pages of a kind; null when they are equal once masked. Neither is changed. */
export function comparePages(
  expected: Uint8Array,
  actual: Uint8Array,
  { kind, block, fromFile = false }: ComparedAs,
): Mismatch | null {
  left.set(expected);
  right.set(actual);
  if (fromFile) {
    maskUnlogged(left, kind, block);
    maskUnlogged(right, kind, block);
  }
  maskPage(left, kind, block);
  maskPage(right, kind, block);
  let word = 0;
  while (word < leftWords.length && leftWords[word] === rightWords[word]) word++;
  if (word === leftWords.length) return null;
  const differing = left.reduce<number[]>((found, byte, at) => (byte === right[at] ? found : [...found, at]), []);
  return {
    kind,
    offset: differing[0] ?? 0,
    byteCount: differing.length,
    expected: left.slice(),
    actual: right.slice(),
  };
}
