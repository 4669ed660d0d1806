/** Starts of the last records by their ends: a compute may start right after any of them. */
import type { Lsn } from '@neon/kernel';

const KEPT = 512;

export class RecentRecords {
  private readonly starts = new Float64Array(KEPT);
  private readonly ends = new Float64Array(KEPT);
  private next = 0;

  push(startLsn: Lsn, endLsn: Lsn): void {
    this.starts[this.next] = startLsn;
    this.ends[this.next] = endLsn;
    this.next = (this.next + 1) % KEPT;
  }

  startOf(endLsn: Lsn): Lsn | null {
    const at = this.ends.indexOf(endLsn);
    return at === -1 || endLsn === 0 ? null : (this.starts[at] as Lsn);
  }
}
