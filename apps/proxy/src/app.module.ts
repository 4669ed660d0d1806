import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from './config';
import { FrontDoorModule } from './front-door/front-door.module';

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    return { module: AppModule, imports: [FrontDoorModule.with(config, logger)] };
  }
}
