/** The proxy: clients' way to their computes. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { runService } from '@neon/telemetry';
import { AppModule } from './app.module';
import { parseConfig } from './config';

void runService(process, {
  name: 'proxy',
  parseConfig,
  async start(config, logger) {
    const app = await NestFactory.create(AppModule.with(config, logger), {
      logger: ['error', 'warn'],
      abortOnError: false,
    });
    await app.listen(config.httpPort, config.host);
    return { ready: { httpPort: config.httpPort }, close: () => app.close() };
  },
});
