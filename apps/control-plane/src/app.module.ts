import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import { AccountModule } from './account/account.module';
import { BranchModule } from './branch/branch.module';
import type { Config } from './config';
import { EndpointModule } from './endpoint/endpoint.module';
import { NodeModule } from './node/node.module';
import { ProjectModule } from './project/project.module';
import { SafekeeperModule } from './safekeeper/safekeeper.module';

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const node = NodeModule.with(config, logger);
    const nouns = [ProjectModule, BranchModule, EndpointModule, SafekeeperModule, AccountModule];
    return { module: AppModule, imports: [node, ...nouns.map((noun) => noun.with(node))] };
  }
}
