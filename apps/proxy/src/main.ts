/** The proxy: clients' way to their computes. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { createLogger, startTelemetry } from '@neon/telemetry';
import { AppModule } from './app.module';
import { parseConfig } from './config';

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const telemetry = startTelemetry({ service: 'proxy', otlpUrl: config.otlpUrl });
  const logger = createLogger('proxy', config.logLevel);
  const app = await NestFactory.create(AppModule.with(config, logger), {
    logger: ['error', 'warn'],
    abortOnError: false,
  });
  let isStopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'stopping');
    await app.close();
    await telemetry.stop();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
  await app.listen(config.httpPort, config.host);
  logger.info({ httpPort: config.httpPort }, 'ready');
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exit(1);
});
