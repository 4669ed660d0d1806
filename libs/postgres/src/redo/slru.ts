/**
 * The simple LRU files (access/transam/slru.c): arrays indexed by transaction or multixact, cut into pages of 8 KiB.
 *
 *   U1  Pages go round as the ids do that index them; "before" is Postgres' PagePrecedes.
 */
import { precedes } from '../cluster/xid';
import { versionOf } from '../versions';
import { MainDataReader } from '../wal/main-data';
import type { WalRecord } from '../wal/record';
import { WalError } from '../wal/wal-error';
import type { Change, Slru } from './change';
import { zeroDelta } from './delta';

export const SLRU_PAGES_PER_SEGMENT = 32;

/** Entries on a page: two bits for a transaction, four bytes for an offset, 20 for four members, 10 for a timestamp. */
export const SLRU_ENTRIES_PER_PAGE: Readonly<Record<Slru, number>> = {
  xact: 32768,
  'multixact-offsets': 2048,
  'multixact-members': 1636,
  'commit-ts': 819,
};

const FIRST_NORMAL = 3;

export interface SlruPagePair {
  readonly page: number;
  readonly than: number;
}

/** Whether every entry of `page` comes before every entry of `than`. */
export function slruPageIsBefore(slru: Slru, { page, than }: SlruPagePair): boolean {
  const perPage = SLRU_ENTRIES_PER_PAGE[slru];
  const first = (page * perPage + FIRST_NORMAL + 1) >>> 0;
  const other = (than * perPage + FIRST_NORMAL + 1) >>> 0;
  return precedes(first, other) && precedes(first, (other + perPage - 1) >>> 0);
}

/** Entries of `ids` by the page that holds them, each as its index on that page. */
export function groupByPage(slru: Slru, ids: Iterable<number>): Map<number, number[]> {
  const perPage = SLRU_ENTRIES_PER_PAGE[slru];
  const pages = new Map<number, number[]>();
  for (const id of ids) {
    const page = Math.floor(id / perPage);
    const entries = pages.get(page);
    if (entries === undefined) pages.set(page, [id % perPage]);
    else entries.push(id % perPage);
  }
  return pages;
}

/** The page number that ZEROPAGE and TRUNCATE records begin with. @throws WalError when the SLRU has no such page */
export function readSlruPage(record: WalRecord, slru: Slru): number {
  const reader = new MainDataReader(record);
  const page = versionOf(record.major).slruPageNumberSize === 4 ? reader.u32() : reader.i64();
  if (page < 0 || page > 0xffff_ffff / SLRU_ENTRIES_PER_PAGE[slru])
    throw new WalError('record-content', record.lsn, `${slru} has no page ${page}`);
  return page;
}

export const zeroPage = (slru: Slru, page: number): Change => ({
  kind: 'page-delta',
  page: { kind: 'slru', slru, page },
  willInit: true,
  delta: zeroDelta(),
});
