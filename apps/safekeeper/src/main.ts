/** A safekeeper: accepts a timeline's WAL in a quorum, keeps it, serves it back. */
import 'reflect-metadata';
import { runService } from '@neon/telemetry';
import { parseConfig } from './config';
import { startSafekeeper } from './start';

void runService(process, {
  name: 'safekeeper',
  parseConfig,
  identify: ({ safekeeperId }) => ({ safekeeperId }),
  async start(config, logger) {
    const running = await startSafekeeper(config, logger);
    const { httpPort, proposerPort, replicationPort } = running;
    return { ready: { httpPort, proposerPort, replicationPort }, close: () => running.close() };
  },
});
