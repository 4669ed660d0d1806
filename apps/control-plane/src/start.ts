/** Brings a control plane up: `main.ts` and the tests share it. */
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { identify } from '@neon/http-api';
import type { Logger } from '@neon/telemetry';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { AppModule } from './app.module';
import type { Config } from './config';
import { ErrorFilter } from './http/error.filter';
import { observe } from './http/observe';

export interface RunningControlPlane {
  readonly httpPort: number;
  close(): Promise<void>;
}

const BODY_SIZE_MAX = '1mb';

export async function startControlPlane(config: Config, logger: Logger): Promise<RunningControlPlane> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config, logger), {
    logger: ['error', 'warn'],
    abortOnError: false,
    bodyParser: false,
  });
  app.use(identify);
  app.use(observe);
  app.useBodyParser('json', { limit: BODY_SIZE_MAX });
  app.useGlobalFilters(new ErrorFilter(logger));
  app.disable('x-powered-by');
  document(app);
  await app.listen(config.httpPort, config.host);
  const server = app.getHttpServer() as Server;
  return { httpPort: (server.address() as AddressInfo).port, close: () => app.close() };
}

function document(app: NestExpressApplication): void {
  const description = 'Operations that are not listed here are answered with 501 and their name.';
  const builder = new DocumentBuilder().setTitle('Neon API').setDescription(description).setVersion('v2');
  const openApi = SwaggerModule.createDocument(app, builder.addBearerAuth().build());
  SwaggerModule.setup('docs', app, openApi, {
    jsonDocumentUrl: 'api/v2/openapi.json',
    yamlDocumentUrl: 'api/v2/openapi.yaml',
  });
}
