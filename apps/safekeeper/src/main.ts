/** A safekeeper: accepts a timeline's WAL in a quorum, keeps it, serves it back. */
import 'reflect-metadata';
import { createLogger, startTelemetry } from '@neon/telemetry';
import { parseConfig } from './config';
import { startSafekeeper } from './start';

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const telemetry = startTelemetry({ service: 'safekeeper', otlpUrl: config.otlpUrl });
  const logger = createLogger('safekeeper', config.logLevel).child({ safekeeperId: config.safekeeperId });
  const running = await startSafekeeper(config, logger);
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
  const { httpPort, proposerPort, replicationPort } = running;
  logger.info({ httpPort, proposerPort, replicationPort }, 'ready');
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exit(1);
});
