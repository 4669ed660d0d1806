/** Commit timestamps, pg_commit_ts (access/transam/commit_ts.c): ten bytes a transaction, microseconds and origin. */
import { writeU16 } from '../page/little-endian';
import { RMGR_INFO_MASK } from '../wal/layout';
import type { WalRecord } from '../wal/record';
import type { Change } from './change';
import { DeltaKind, readEntry } from './delta';
import { SLRU_ENTRIES_PER_PAGE, groupByPage, readSlruPage, zeroPage } from './slru';

const ENTRY_SIZE = 10;
const ENTRIES_AT = 11;

export function commitTsChanges(record: WalRecord, changes: Change[]): void {
  const page = readSlruPage(record, 'commit-ts');
  const truncates = (record.info & RMGR_INFO_MASK) === 0x10;
  changes.push(truncates ? { kind: 'slru-truncate', slru: 'commit-ts', firstPage: page } : zeroPage('commit-ts', page));
}

export interface CommitTimestamp {
  /** The 64 bits of it, whether signed or not. */
  readonly timestampUs: bigint;
  readonly originId: number;
}

export function timestampChanges(xids: Iterable<number>, { timestampUs, originId }: CommitTimestamp): Change[] {
  return [...groupByPage('commit-ts', xids)].map(([page, entries]) => {
    const delta = new Uint8Array(ENTRIES_AT + entries.length * 2);
    delta[0] = DeltaKind.COMMIT_TS;
    new DataView(delta.buffer).setBigUint64(1, BigInt.asUintN(64, timestampUs), true);
    writeU16(delta, 9, originId);
    entries.forEach((entry, i) => writeU16(delta, ENTRIES_AT + i * 2, entry));
    return { kind: 'page-delta', page: { kind: 'slru', slru: 'commit-ts', page }, willInit: false, delta };
  });
}

export function applyCommitTs(page: Uint8Array, delta: Uint8Array): void {
  const entry = delta.subarray(1, 1 + ENTRY_SIZE);
  for (let at = ENTRIES_AT; at < delta.length; at += 2)
    page.set(entry, readEntry(delta, at, SLRU_ENTRIES_PER_PAGE['commit-ts']) * ENTRY_SIZE);
}
