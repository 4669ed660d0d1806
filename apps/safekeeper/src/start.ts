/** Brings a safekeeper up, ready to be announced and to be closed: `main.ts` and the tests share it. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { identify } from '@neon/http-api';
import type { Logger } from '@neon/telemetry';
import { AppModule } from './app.module';
import type { Config } from './config';
import { SafekeeperNode } from './node/safekeeper-node';
import { ErrorFilter } from './timeline/error.filter';

export interface RunningSafekeeper {
  readonly httpPort: number;
  readonly proposerPort: number;
  readonly replicationPort: number;
  close(): Promise<void>;
}

export async function startSafekeeper(config: Config, logger: Logger): Promise<RunningSafekeeper> {
  const app = await NestFactory.create(AppModule.with(config, logger), {
    logger: ['error', 'warn'],
    abortOnError: false,
  });
  app.use(identify);
  app.useGlobalFilters(new ErrorFilter(logger));
  await app.listen(config.httpPort, config.host);
  const server = app.getHttpServer() as Server;
  const httpPort = (server.address() as AddressInfo).port;
  const node = app.get(SafekeeperNode);
  node.announce(httpPort);
  return { httpPort, ...node.ports, close: () => app.close() };
}
