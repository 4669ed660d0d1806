/** The control plane: the public API, operations, and who may connect where. */
import 'reflect-metadata';
import { runService } from '@neon/telemetry';
import { parseConfig } from './config';
import { startControlPlane } from './start';

void runService(process, {
  name: 'control-plane',
  parseConfig,
  async start(config, logger) {
    const running = await startControlPlane(config, logger);
    return { ready: { httpPort: running.httpPort }, close: () => running.close() };
  },
});
