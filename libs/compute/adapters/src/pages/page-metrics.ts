/** What page agents report: totals for whoever asks, and the same as instruments for /metrics. */
import { meter } from '@neon/telemetry';

export interface PageTotals {
  /** Reads by the shim, each of one or more pages. */
  readCount: number;
  /** Pages handed to the shim that were held or in flight already. */
  hitCount: number;
  /** Pages handed to the shim that were asked for then. */
  missCount: number;
  prefetchedCount: number;
  errorCount: number;
}

export class PageMetrics {
  readonly totals: PageTotals = { readCount: 0, hitCount: 0, missCount: 0, prefetchedCount: 0, errorCount: 0 };
  private readonly pages = meter('compute').createCounter('neon_compute_pages_read', {
    description: 'Pages handed to Postgres, by whether they were already held or in flight',
  });
  private readonly prefetched = meter('compute').createCounter('neon_compute_pages_prefetched', {
    description: 'Pages fetched ahead of their read',
  });
  private readonly errors = meter('compute').createCounter('neon_compute_page_read_errors', {
    description: 'Reads that Postgres saw as an I/O error',
  });
  private readonly latency = meter('compute').createHistogram('neon_compute_page_read_seconds', {
    description: 'From the request of the page-fault shim to its answer',
    advice: {
      explicitBucketBoundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10],
    },
  });

  read({ hitCount, missCount, seconds }: { hitCount: number; missCount: number; seconds: number }): void {
    this.totals.readCount++;
    this.totals.hitCount += hitCount;
    this.totals.missCount += missCount;
    this.pages.add(hitCount, { source: 'ahead' });
    this.pages.add(missCount, { source: 'pageserver' });
    this.latency.record(seconds);
  }

  ahead(pageCount: number): void {
    this.totals.prefetchedCount += pageCount;
    this.prefetched.add(pageCount);
  }

  failed(): void {
    this.totals.errorCount++;
    this.errors.add(1);
  }
}
