/** Brings a pageserver up: `main.ts` and the tests share it. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { identify } from '@neon/http-api';
import type { Logger } from '@neon/telemetry';
import { AppModule } from './app.module';
import type { Config } from './config';
import { PageserverNode } from './node/pageserver-node';
import { ErrorFilter } from './timeline/error.filter';

export interface RunningPageserver {
  readonly httpPort: number;
  readonly pagePort: number;
  close(): Promise<void>;
}

export async function startPageserver(config: Config, logger: Logger): Promise<RunningPageserver> {
  const app = await NestFactory.create(AppModule.with(config, logger), {
    logger: ['error', 'warn'],
    abortOnError: false,
  });
  app.use(identify);
  app.useGlobalFilters(new ErrorFilter(logger));
  await app.listen(config.httpPort, config.host);
  const server = app.getHttpServer() as Server;
  const httpPort = (server.address() as AddressInfo).port;
  const node = app.get(PageserverNode);
  node.announce(httpPort);
  return { httpPort, pagePort: node.pagePort, close: () => app.close() };
}
