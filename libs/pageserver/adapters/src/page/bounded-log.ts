/**
 * Errors that requests meet: as many as there are requests, told a few at a time.
 *
 *   B1  At most LINES_MAX lines in each WINDOW_MS; the first line after that says how many were left out.
 */
import type { Logger } from '@neon/telemetry';

const LINES_MAX = 10;
const WINDOW_MS = 10_000;

export class BoundedLog {
  private windowEndMs = 0;
  private lines = 0;
  private leftOut = 0;

  constructor(
    private readonly logger: Logger,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    const nowMs = this.nowMs();
    if (nowMs >= this.windowEndMs) {
      this.windowEndMs = nowMs + WINDOW_MS;
      this.lines = 0;
    }
    if (this.lines >= LINES_MAX) {
      this.leftOut++;
      return;
    }
    this.lines++;
    this.logger.error(this.leftOut === 0 ? fields : { ...fields, leftOut: this.leftOut }, message);
    this.leftOut = 0;
  }
}
