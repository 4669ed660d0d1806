/** What the page service counts. */
import type { Attributes, Counter, Histogram } from '@opentelemetry/api';
import { meter } from '@neon/telemetry';

export class PageMetrics {
  private readonly requests: Counter;
  private readonly pages: Counter;
  private readonly seconds: Histogram;

  constructor() {
    const instruments = meter('pageserver');
    this.requests = instruments.createCounter('neon_pageserver_page_requests', {
      description: 'Page service requests by outcome',
    });
    this.pages = instruments.createCounter('neon_pageserver_pages_read', { description: 'Pages answered' });
    this.seconds = instruments.createHistogram('neon_pageserver_page_request_seconds', {
      description: 'Time from a request to its answer, waiting for WAL included',
      advice: { explicitBucketBoundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 10] },
    });
  }

  answered(
    outcome: Attributes & { readonly request: string; readonly outcome: string },
    startedMs: number,
    pageCount = 0,
  ): void {
    this.requests.add(1, outcome);
    if (pageCount > 0) this.pages.add(pageCount);
    this.seconds.record((performance.now() - startedMs) / 1000, { request: outcome.request });
  }
}
