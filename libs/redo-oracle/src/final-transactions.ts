/**
 * After a clean stop, what the directory says of transactions against what changes said.
 *
 *   F4  The progress of replication origins is the one noted.
 *   F5  Each commit record was told as a commit, with the time that pg_commit_ts has for it; a commit by an origin has the
 *       origin's time there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SLRU_ENTRIES_PER_PAGE } from '@neon/postgres';
import { slruPagesOf } from './data-directory';
import type { TransactionNotes } from './transaction-notes';

export interface FinalTransactions {
  readonly dataDir: string;
  readonly notes: TransactionNotes;
  /** How many transactions with an xid committed, as records say. */
  readonly commitCount: number;
}

/** @returns what differs, a line each */
export const transactionDifferences = (final: FinalTransactions): string[] => [
  ...originDifferences(final),
  ...commitDifferences(final),
];

/** replorigin_checkpoint: a magic number, entries of 16 bytes (u16 origin, at 8 its LSN), a checksum. */
const ORIGINS_AT = 4;
const ORIGIN_SIZE = 16;
const CHECKSUM_SIZE = 4;

/** F4 */
function originDifferences({ dataDir, notes }: FinalTransactions): string[] {
  const path = join(dataDir, 'pg_logical/replorigin_checkpoint');
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(ORIGINS_AT + CHECKSUM_SIZE);
  const inFile = new Map<number, bigint>();
  for (let at = ORIGINS_AT; at + ORIGIN_SIZE + CHECKSUM_SIZE <= bytes.length; at += ORIGIN_SIZE)
    inFile.set(bytes.readUInt16LE(at), bytes.readBigUInt64LE(at + 8));
  return [...new Set([...inFile.keys(), ...notes.origins.keys()])]
    .filter((origin) => inFile.get(origin) !== notes.origins.get(origin))
    .map((origin) => `replication origin ${origin}: at ${inFile.get(origin)}, noted ${notes.origins.get(origin)}`);
}

/** pg_commit_ts: microseconds since 2000, and an origin. */
const ENTRY_SIZE = 10;
const POSTGRES_EPOCH_US = 946_684_800_000_000n;

/** F5 */
function commitDifferences({ dataDir, notes, commitCount }: FinalTransactions): string[] {
  const perPage = SLRU_ENTRIES_PER_PAGE['commit-ts'];
  const pages = new Map(slruPagesOf(dataDir, 'commit-ts'));
  const different = [...notes.commits].flatMap(([xid, timestampUs]) => {
    const page = pages.get(Math.floor(xid / perPage));
    if (page === undefined) return [];
    const entry = Buffer.from(page.buffer, page.byteOffset + (xid % perPage) * ENTRY_SIZE, ENTRY_SIZE);
    const expected = entry.readBigInt64LE(0) + POSTGRES_EPOCH_US;
    const isOwn = entry.readUInt16LE(8) === 0 && entry.readBigInt64LE(0) !== 0n;
    return isOwn && expected !== BigInt(timestampUs) ? `commit of ${xid} at ${expected}, told ${timestampUs}` : [];
  });
  const missing = commitCount === notes.commits.size ? [] : `${commitCount} commits, told ${notes.commits.size}`;
  return different.concat(missing);
}
