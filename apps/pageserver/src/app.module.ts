import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from './config';
import { NodeModule } from './node/node.module';
import { TimelineModule } from './timeline/timeline.module';

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const node = NodeModule.with(config, logger);
    return { module: AppModule, imports: [node, TimelineModule.with(node)] };
  }
}
