import { type DynamicModule, Module } from '@nestjs/common';
import { ConnectionController } from './connection.controller';
import { CreateProjectHandler, DeleteProjectHandler, UpdateProjectHandler } from './project.commands';
import { ProjectController } from './project.controller';

@Module({})
export class ProjectModule {
  static with(node: DynamicModule): DynamicModule {
    return {
      module: ProjectModule,
      imports: [node],
      controllers: [ProjectController, ConnectionController],
      providers: [CreateProjectHandler, UpdateProjectHandler, DeleteProjectHandler],
    };
  }
}
