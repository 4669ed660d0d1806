import { type DynamicModule, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { ApiKeys, ReadModel } from '@neon/control-plane-adapters';
import { Branches, Catalogs, Endpoints, Projects } from '@neon/control-plane-core';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';
import { Found } from '../http/found';
import { Background } from './background';
import { Changes } from './changes';
import { ControlPlaneNode } from './control-plane-node';
import { HealthController } from './health.controller';

/** The running control plane, and the pieces of it that the nouns' modules use. */
@Module({})
export class NodeModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const inject = [ControlPlaneNode];
    const pieces = [
      { provide: Projects, inject, useFactory: (node: ControlPlaneNode) => node.get('projects') },
      { provide: Branches, inject, useFactory: (node: ControlPlaneNode) => node.get('branches') },
      { provide: Catalogs, inject, useFactory: (node: ControlPlaneNode) => node.get('catalogs') },
      { provide: Endpoints, inject, useFactory: (node: ControlPlaneNode) => node.get('endpoints') },
      { provide: ApiKeys, inject, useFactory: (node: ControlPlaneNode) => node.get('apiKeys') },
      { provide: ReadModel, inject, useFactory: (node: ControlPlaneNode) => node.get('readModel') },
    ];
    const node = { provide: ControlPlaneNode, useFactory: () => ControlPlaneNode.open(config, logger) };
    return {
      module: NodeModule,
      imports: [CqrsModule.forRoot()],
      controllers: [HealthController],
      providers: [node, ...pieces, Found, Changes, Background],
      exports: [ControlPlaneNode, Projects, Branches, Catalogs, Endpoints, ApiKeys, Found, Changes],
    };
  }
}
