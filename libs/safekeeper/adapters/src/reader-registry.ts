/** Who reads which timeline, for status and metrics. */
import type { ReaderProgress, Timeline } from '@neon/safekeeper-core';

export class ReaderRegistry {
  private readonly readers = new Map<Timeline, Set<() => ReaderProgress>>();

  /** @returns a function that removes it again */
  add(timeline: Timeline, progress: () => ReaderProgress): () => void {
    const ofTimeline = this.readers.get(timeline) ?? new Set();
    this.readers.set(timeline, ofTimeline.add(progress));
    return () => {
      ofTimeline.delete(progress);
      if (ofTimeline.size === 0) this.readers.delete(timeline);
    };
  }

  of(timeline: Timeline): ReaderProgress[] {
    return [...(this.readers.get(timeline) ?? [])].map((progress) => progress());
  }
}
