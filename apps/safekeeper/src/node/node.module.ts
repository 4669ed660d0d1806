import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';
import { HealthController } from './health.controller';
import { SafekeeperNode } from './safekeeper-node';

@Module({})
export class NodeModule implements OnApplicationShutdown {
  constructor(private readonly node: SafekeeperNode) {}

  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: NodeModule,
      controllers: [HealthController],
      providers: [{ provide: SafekeeperNode, useFactory: () => SafekeeperNode.open(config, logger) }],
      exports: [SafekeeperNode],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.node.close();
  }
}
