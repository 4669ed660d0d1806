/**
 * Follows the records of a timeline's log to its end, where the next bytes go.
 *
 *   RT1  A record is accepted only where the scan after a restart would accept it: it links to the record before it. Else
 *        WAL could be acknowledged that a restart takes for the end.
 */
import type { AcceptorState } from '@neon/consensus';
import { Corrupt, Lsn, assert } from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker } from '@neon/postgres';
import type { TimelineStore } from './timeline-store';

/** Bytes read at once where records must be looked for. */
const READ_SIZE = 128 * 1024;

export class RecordTracker {
  /** Undefined after a start or a truncation. */
  private tracker: WalBoundaryTracker | undefined;

  constructor(
    private readonly store: Pick<TimelineStore, 'read'>,
    /** Where the last record begins that the scan at the start has seen, until the log changes. */
    private recoveredRecordLsn: Lsn | undefined,
  ) {}

  /** Whether bytes that begin at `lsn` may be pushed; else `seek` comes first. */
  isAt(lsn: Lsn): boolean {
    return this.tracker?.receivedLsn === lsn;
  }

  /** Starts where a scan after a restart would start, unless the last record is known already. @throws Corrupt */
  async seek(lsn: Lsn, { identity, savedCommitLsn }: AcceptorState): Promise<void> {
    const format = { major: identity.pgMajor as PostgresMajor, segmentSize: identity.walSegmentSize };
    if (this.recoveredRecordLsn !== undefined) {
      this.tracker = new WalBoundaryTracker({ ...format, startLsn: lsn, prevLsn: this.recoveredRecordLsn });
      return;
    }
    const tracker = new WalBoundaryTracker({ ...format, startLsn: savedCommitLsn });
    while (tracker.receivedLsn < lsn) {
      const from = tracker.receivedLsn;
      tracker.push(await this.store.read(from, Math.min(READ_SIZE, lsn - from)));
    }
    if (tracker.endLsn !== lsn) throw new Corrupt(`the log holds no end of a record at ${Lsn.format(lsn)}`);
    this.tracker = tracker;
  }

  /** RT1. @returns the end of the last whole record; @throws Corrupt when these bytes are not WAL that goes here */
  push(bytes: Uint8Array): Lsn {
    const { tracker } = this;
    assert(tracker !== undefined, 'RT1: bytes go where a record is known to end');
    // What it makes of bytes that are refused is nothing to go on with.
    this.tracker = undefined;
    const recordEndLsn = tracker.push(bytes);
    this.tracker = tracker;
    this.recoveredRecordLsn = undefined;
    return recordEndLsn;
  }

  /** The log was cut. */
  truncated(): void {
    this.tracker = undefined;
    this.recoveredRecordLsn = undefined;
  }
}
