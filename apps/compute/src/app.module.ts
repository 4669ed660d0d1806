import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from './config';
import { HostModule } from './host/host.module';

@Module({})
export class AppModule {
  static with(config: Config, log: Logger): DynamicModule {
    return { module: AppModule, imports: [HostModule.with(config, log)] };
  }
}
