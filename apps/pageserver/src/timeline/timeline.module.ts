import { type DynamicModule, Module } from '@nestjs/common';
import { TimelineController } from './timeline.controller';

@Module({})
export class TimelineModule {
  static with(node: DynamicModule): DynamicModule {
    return { module: TimelineModule, imports: [node], controllers: [TimelineController] };
  }
}
