import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transactionDifferences } from './final-transactions';
import { TransactionNotes } from './transaction-notes';

const POSTGRES_EPOCH_US = 946_684_800_000_000;

describe('what a directory says of transactions', () => {
  let dataDir: string;
  let notes: TransactionNotes;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'final-transactions-'));
    for (const name of ['pg_logical', 'pg_commit_ts']) mkdirSync(join(dataDir, name));
    notes = new TransactionNotes();
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  const differences = (commitCount = 0): string[] => transactionDifferences({ dataDir, notes, commitCount });

  test('F4: compares the progress of origins', () => {
    const file = Buffer.alloc(4 + 2 * 16 + 4);
    file.writeUInt16LE(1, 4);
    file.writeBigUInt64LE(0x28n, 12);
    file.writeUInt16LE(2, 20);
    file.writeBigUInt64LE(0x30n, 28);
    writeFileSync(join(dataDir, 'pg_logical/replorigin_checkpoint'), file);
    notes.apply({ kind: 'replication-origin', originId: 1, remoteLsn: 0x28n });
    notes.apply({ kind: 'replication-origin', originId: 3, remoteLsn: 1n });
    notes.apply({ kind: 'replication-origin', originId: 3, remoteLsn: null });
    expect(differences()).toEqual(['replication origin 2: at 48, noted undefined']);
  });

  test('F5: compares the time of each commit, unless an origin gave it', () => {
    const page = Buffer.alloc(8192);
    const times = [10, 20, 30];
    times.forEach((time, index) => page.writeBigInt64LE(BigInt(time), (700 + index) * 10));
    page.writeUInt16LE(5, 702 * 10 + 8);
    writeFileSync(join(dataDir, 'pg_commit_ts/0000'), page);
    notes.apply({ kind: 'commit', xid: 700, timestampUs: POSTGRES_EPOCH_US + 10 });
    notes.apply({ kind: 'commit', xid: 701, timestampUs: POSTGRES_EPOCH_US + 21 });
    notes.apply({ kind: 'commit', xid: 702, timestampUs: POSTGRES_EPOCH_US + 31 });
    expect(differences(3)).toEqual([`commit of 701 at ${POSTGRES_EPOCH_US + 20}, told ${POSTGRES_EPOCH_US + 21}`]);
    expect(differences(4)).toContain('4 commits, told 3');
  });
});
