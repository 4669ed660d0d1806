import { type DynamicModule, Module } from '@nestjs/common';
import { LogController } from './log.controller';
import { MembershipController } from './membership.controller';
import { TimelineController } from './timeline.controller';

@Module({})
export class TimelineModule {
  /** @param node the module that provides the running safekeeper */
  static with(node: DynamicModule): DynamicModule {
    return {
      module: TimelineModule,
      imports: [node],
      controllers: [TimelineController, LogController, MembershipController],
    };
  }
}
