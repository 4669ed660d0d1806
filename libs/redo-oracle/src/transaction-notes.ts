/** What changes tell of transactions that no file keeps as such: when they committed, and how far origins have come. */
import type { Change } from '@neon/postgres';

export class TransactionNotes {
  /** When a transaction committed, in microseconds since 1970. */
  readonly commits = new Map<number, number>();
  /** LSNs of other servers. */
  readonly origins = new Map<number, bigint>();

  apply(change: Change): void {
    if (change.kind === 'commit') this.commits.set(change.xid, change.timestampUs);
    if (change.kind !== 'replication-origin') return;
    if (change.remoteLsn === null) this.origins.delete(change.originId);
    else this.origins.set(change.originId, change.remoteLsn);
  }
}
