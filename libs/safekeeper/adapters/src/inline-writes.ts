/**
 * Where a small write of WAL is made: in the event loop, or in a thread of the pool. The way to a thread and back costs as much
 * CPU as the write itself, and on a busy machine a commit waits for it twice; in the loop, everything else waits for the disk.
 *
 *   IW1  In the loop while one timeline alone writes: the writes of several overlap in the pool, and none waits for another's.
 *   IW2  In the loop while writes are fast: a disk that is slow, or has stalled, is waited for in the pool until it is fast again.
 */

/** A commit of some tens of sessions. More than that is worth a thread. */
const SIZE_MAX = 16 * 1024;
/** A disk this slow makes the way to a thread and back cheap. */
const MEAN_MS_MAX = 1;
/** After the last write of another timeline. */
const ALONE_MS_MIN = 20;
/** Of the last write in the mean: one stall of STALL_MS_MAX is outweighed by some fifty fast writes. */
const WEIGHT = 1 / 8;
const STALL_MS_MAX = 500;

export class InlineWrites {
  /** The store that wrote last, by identity. */
  private writer: object | undefined;
  private aloneSinceMs = 0;
  /** Until it is known, a disk is slow. */
  private meanMs = 2 * MEAN_MS_MAX;

  /** Whether this writer's next write is made in the loop. */
  begin(writer: object, size: number, nowMs: number): boolean {
    if (this.writer !== writer) {
      this.writer = writer;
      this.aloneSinceMs = nowMs;
    }
    return size <= SIZE_MAX && this.meanMs < MEAN_MS_MAX && nowMs - this.aloneSinceMs >= ALONE_MS_MIN;
  }

  took(durationMs: number): void {
    this.meanMs += (Math.min(durationMs, STALL_MS_MAX) - this.meanMs) * WEIGHT;
  }
}
