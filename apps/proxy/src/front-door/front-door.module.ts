import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';
import { FrontDoor } from './front-door';
import { FrontDoorController } from './front-door.controller';

@Module({})
export class FrontDoorModule implements OnApplicationShutdown {
  constructor(private readonly frontDoor: FrontDoor) {}

  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: FrontDoorModule,
      controllers: [FrontDoorController],
      providers: [{ provide: FrontDoor, useFactory: () => FrontDoor.open(config, logger) }],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.frontDoor.close();
  }
}
