import { type DynamicModule, Module } from '@nestjs/common';
import { SafekeeperController } from './safekeeper.controller';

/** Who keeps the WAL of projects: for operators. */
@Module({})
export class SafekeeperModule {
  static with(node: DynamicModule): DynamicModule {
    return { module: SafekeeperModule, imports: [node], controllers: [SafekeeperController] };
  }
}
