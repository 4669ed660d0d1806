/** Background work of the process: each failure is logged, and all of it is awaited at the end. */
import { Background } from '@neon/pageserver-core';
import type { Logger } from '@neon/telemetry';

export class BackgroundTasks extends Background {
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly logger: Logger) {
    super();
  }

  run(name: string, task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => {
        this.logger.error(
          { task: name, error: error instanceof Error ? error.message : String(error) },
          'background work failed',
        );
      })
      .finally(() => this.running.delete(running));
    this.running.add(running);
  }

  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
