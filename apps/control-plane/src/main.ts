/** The control plane: the public API, operations, and who may connect where. */
import 'reflect-metadata';
import { createLogger, startTelemetry } from '@neon/telemetry';
import { parseConfig } from './config';
import { startControlPlane } from './start';

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const telemetry = startTelemetry({ service: 'control-plane', otlpUrl: config.otlpUrl });
  const logger = createLogger('control-plane', config.logLevel);
  const running = await startControlPlane(config, logger);
  let isStopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'stopping');
    await running.close();
    await telemetry.stop();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
  logger.info({ httpPort: running.httpPort }, 'ready');
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exit(1);
});
