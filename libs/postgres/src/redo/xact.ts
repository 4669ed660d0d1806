/**
 * Effects of Transaction records (xact_redo).
 *
 *   A1  The end of a transaction sets the status of it and its subtransactions, drops the relations it names, and removes its
 *       two-phase file when it had been prepared.
 *   A2  A commit is also told as such, with its time, and stored as commit timestamps when those are tracked.
 */
import type { WalRecord } from '../wal/record';
import { TwoPhaseFile } from '../cluster/two-phase';
import type { Change } from './change';
import type { ChangeSettings } from './change-settings';
import { XidStatus, statusChanges } from './clog';
import { timestampChanges } from './commit-ts';
import {
  TransactionOperation,
  parsePrepare,
  parseTransactionEnd,
  transactionOperation,
  unixUs,
  type TransactionEnd,
} from './transaction-record';

/** Origin of changes that are not to be replicated further; it has no progress (DoNotReplicateId). */
const NO_PROGRESS_ORIGIN = 0xffff;

export function transactionChanges(record: WalRecord, changes: Change[], settings: ChangeSettings): void {
  switch (transactionOperation(record)) {
    case TransactionOperation.COMMIT:
    case TransactionOperation.COMMIT_PREPARED:
      return commitChanges(record, changes, settings);
    case TransactionOperation.ABORT:
    case TransactionOperation.ABORT_PREPARED:
      return endChanges(record, changes, { end: parseTransactionEnd(record), status: XidStatus.ABORTED });
    case TransactionOperation.PREPARE: {
      const { xid, state, originLsn } = parsePrepare(record);
      changes.push({ kind: 'two-phase-create', xid, content: TwoPhaseFile.encode(state) });
      if (hasProgress(record.originId))
        changes.push({ kind: 'replication-origin', originId: record.originId, remoteLsn: originLsn });
      return;
    }
    default:
    // ASSIGNMENT and INVALIDATIONS concern what is in memory alone.
  }
}

function commitChanges(record: WalRecord, changes: Change[], settings: ChangeSettings): void {
  const end = parseTransactionEnd(record);
  endChanges(record, changes, { end, status: XidStatus.COMMITTED });
  if (end.xid === 0) return;
  if (settings.trackCommitTimestamp) {
    const timestampUs = end.origin?.timestampUs ?? BigInt(end.timestampUs);
    changes.push(...timestampChanges([end.xid, ...end.subxids], { timestampUs, originId: record.originId }));
  }
  changes.push({ kind: 'commit', xid: end.xid, timestampUs: unixUs(end.timestampUs) });
}

interface Outcome {
  readonly end: TransactionEnd;
  readonly status: number;
}

function endChanges(record: WalRecord, changes: Change[], { end, status }: Outcome): void {
  if (end.xid !== 0) statusChanges(end, status, changes);
  for (const relation of end.droppedRelations) changes.push({ kind: 'relation-drop', relation });
  if (end.prepared) changes.push({ kind: 'two-phase-remove', xid: end.xid });
  if (end.origin !== null && hasProgress(record.originId))
    changes.push({ kind: 'replication-origin', originId: record.originId, remoteLsn: end.origin.remoteLsn });
}

const hasProgress = (originId: number): boolean => originId !== 0 && originId !== NO_PROGRESS_ORIGIN;
