import { type DynamicModule, Module } from '@nestjs/common';
import {
  CreateEndpointHandler,
  DeleteEndpointHandler,
  RestartEndpointHandler,
  StartEndpointHandler,
  SuspendEndpointHandler,
  UpdateEndpointHandler,
} from './endpoint.commands';
import { EndpointController } from './endpoint.controller';

@Module({})
export class EndpointModule {
  static with(node: DynamicModule): DynamicModule {
    const settings = [CreateEndpointHandler, UpdateEndpointHandler, DeleteEndpointHandler];
    const power = [StartEndpointHandler, SuspendEndpointHandler, RestartEndpointHandler];
    return {
      module: EndpointModule,
      imports: [node],
      controllers: [EndpointController],
      providers: [...settings, ...power],
    };
  }
}
