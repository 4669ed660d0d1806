/**
 * Transaction status, pg_xact (access/transam/clog.c): two bits for each transaction, four a byte, lowest first.
 *
 *   T1  A commit or abort sets the status of the transaction and of all its subtransactions.
 */
import { writeU16 } from '../page/little-endian';
import { RMGR_INFO_MASK } from '../wal/layout';
import type { WalRecord } from '../wal/record';
import type { Change } from './change';
import { DeltaKind, readEntry } from './delta';
import { SLRU_ENTRIES_PER_PAGE, groupByPage, readSlruPage, zeroPage } from './slru';
import type { Transaction } from './transaction-record';

export const XidStatus = { IN_PROGRESS: 0, COMMITTED: 1, ABORTED: 2, SUB_COMMITTED: 3 } as const;

const ENTRIES_AT = 2;
const STATUS_BITS = 2;
const STATUS_MASK = 3;
const PER_BYTE = 4;

export function clogChanges(record: WalRecord, changes: Change[]): void {
  const page = readSlruPage(record, 'xact');
  const truncates = (record.info & RMGR_INFO_MASK) === 0x10;
  changes.push(truncates ? { kind: 'slru-truncate', slru: 'xact', firstPage: page } : zeroPage('xact', page));
}

/** Adds the changes of T1. Nearly every transaction has no subtransactions, and one change. */
export function statusChanges({ xid, subxids }: Transaction, status: number, changes: Change[]): void {
  if (subxids.length === 0) {
    const page = Math.floor(xid / SLRU_ENTRIES_PER_PAGE.xact);
    changes.push(statusChange(page, [xid % SLRU_ENTRIES_PER_PAGE.xact], status));
    return;
  }
  for (const [page, entries] of groupByPage('xact', [xid, ...subxids]))
    changes.push(statusChange(page, entries, status));
}

function statusChange(page: number, entries: readonly number[], status: number): Change {
  const delta = new Uint8Array(ENTRIES_AT + entries.length * 2);
  delta[0] = DeltaKind.CLOG_STATUS;
  delta[1] = status;
  for (let i = 0; i < entries.length; i++) writeU16(delta, ENTRIES_AT + i * 2, entries[i] as number);
  return { kind: 'page-delta', page: { kind: 'slru', slru: 'xact', page }, willInit: false, delta };
}

export function applyClogStatus(page: Uint8Array, delta: Uint8Array): void {
  const status = (delta[1] as number) & STATUS_MASK;
  for (let at = ENTRIES_AT; at < delta.length; at += 2) {
    const entry = readEntry(delta, at, SLRU_ENTRIES_PER_PAGE.xact);
    const byte = Math.floor(entry / PER_BYTE);
    const shift = (entry % PER_BYTE) * STATUS_BITS;
    page[byte] = ((page[byte] as number) & ~(STATUS_MASK << shift)) | (status << shift);
  }
}

/** Status of the transaction with this index on a page of pg_xact. */
export const xidStatus = (page: Uint8Array, entry: number): number =>
  ((page[Math.floor(entry / PER_BYTE)] as number) >>> ((entry % PER_BYTE) * STATUS_BITS)) & STATUS_MASK;
