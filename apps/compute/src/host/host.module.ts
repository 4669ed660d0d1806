import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';
import { HostController } from './host.controller';
import { HostService } from './host-service';

@Module({})
export class HostModule implements OnApplicationShutdown {
  constructor(private readonly host: HostService) {}

  static with(config: Config, log: Logger): DynamicModule {
    return {
      module: HostModule,
      controllers: [HostController],
      providers: [{ provide: HostService, useFactory: () => HostService.open(config, log) }],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.host.close();
  }
}
