import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';
import { HealthController } from './health.controller';
import { PageserverNode } from './pageserver-node';

@Module({})
export class NodeModule implements OnApplicationShutdown {
  constructor(private readonly node: PageserverNode) {}

  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: NodeModule,
      controllers: [HealthController],
      providers: [{ provide: PageserverNode, useFactory: () => PageserverNode.open(config, logger) }],
      exports: [PageserverNode],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.node.close();
  }
}
