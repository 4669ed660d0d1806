/** A pageserver: ingests the WAL of timelines, serves their pages at an LSN. */
import 'reflect-metadata';
import { createLogger, startTelemetry } from '@neon/telemetry';
import { parseConfig } from './config';
import { startPageserver } from './start';
import { endOnUncaught } from './uncaught';

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const telemetry = startTelemetry({ service: 'pageserver', otlpUrl: config.otlpUrl });
  const logger = createLogger('pageserver', config.logLevel).child({ pageserverId: config.pageserverId });
  endOnUncaught(process, logger);
  const running = await startPageserver(config, logger);
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
  const { httpPort, pagePort } = running;
  logger.info({ httpPort, pagePort }, 'ready');
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exit(1);
});
