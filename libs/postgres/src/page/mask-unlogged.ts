/**
 * State that a server keeps on pages without logging each change of it. The pages of its files differ there from replayed
 * ones however exact redo is; the images that records carry do not.
 *
 *   U1  A sequence is logged some values ahead: the file says how many of them are left.
 *   U2  An SP-GiST metapage remembers, behind its magic number, which pages had room last.
 */
import { tupleHeaderLength } from './heap-tuple';
import { FIRST_OFFSET_NUMBER, itemAt, linePointerCount } from './line-pointer';
import { PAGE_HEADER_SIZE, pageLower } from './page-header';
import type { PageKind } from './page-kind';

/** FormData_pg_sequence_data: last_value, log_cnt, is_called. */
const SEQUENCE_VALUE_AND_COUNT_SIZE = 16;
const SPGIST_META_BLOCK = 0;
const SPGIST_MAGIC_SIZE = 4;

/** Sets such state to zero, in place. */
export function maskUnlogged(page: Uint8Array, kind: PageKind, block: number): void {
  if (kind === 'sequence' && linePointerCount(page) > 0) {
    const tuple = itemAt(page, FIRST_OFFSET_NUMBER);
    const data = tuple + tupleHeaderLength(page, tuple);
    page.fill(0, data, data + SEQUENCE_VALUE_AND_COUNT_SIZE);
  }
  if (kind === 'spgist' && block === SPGIST_META_BLOCK)
    page.fill(0, PAGE_HEADER_SIZE + SPGIST_MAGIC_SIZE, Math.max(PAGE_HEADER_SIZE, pageLower(page)));
}
