/** A pageserver: ingests the WAL of timelines, serves their pages at an LSN. */
import 'reflect-metadata';
import { runService } from '@neon/telemetry';
import { parseConfig } from './config';
import { startPageserver } from './start';

void runService(process, {
  name: 'pageserver',
  parseConfig,
  identify: ({ pageserverId }) => ({ pageserverId }),
  async start(config, logger) {
    const running = await startPageserver(config, logger);
    const { httpPort, pagePort } = running;
    return { ready: { httpPort, pagePort }, close: () => running.close() };
  },
});
