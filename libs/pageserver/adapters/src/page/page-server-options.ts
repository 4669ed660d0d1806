/** What a page server and each of its connections work with. */
import type { Pageserver } from '@neon/pageserver-core';
import type { TokenVerifier } from '@neon/service-token';
import type { Logger } from '@neon/telemetry';
import type { BoundedLog } from './bounded-log';
import type { PageMetrics } from './page-metrics';

export interface PageServerOptions {
  readonly pageserver: Pageserver;
  readonly tokens: TokenVerifier;
  readonly metrics: PageMetrics;
  readonly logger: Logger;
  /** How long a request waits for its LSN. */
  readonly waitMs: number;
}

export interface PageConnectionOptions extends PageServerOptions {
  /** Shared by all connections: what their requests meet. */
  readonly errors: BoundedLog;
}
