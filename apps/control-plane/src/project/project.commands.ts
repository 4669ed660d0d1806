/** Changes of projects, as the command bus carries them. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  type By,
  type Change,
  type CreatedProject,
  type NewProject,
  type ProjectSettings,
  Projects,
} from '@neon/control-plane-core';

export class CreateProject extends Command<CreatedProject> {
  constructor(
    readonly wish: NewProject,
    readonly by: By,
  ) {
    super();
  }
}

export class UpdateProject extends Command<Change> {
  constructor(
    readonly projectId: string,
    readonly settings: Partial<ProjectSettings>,
    readonly by: By,
  ) {
    super();
  }
}

export class DeleteProject extends Command<Change> {
  constructor(
    readonly projectId: string,
    readonly by: By,
  ) {
    super();
  }
}

@CommandHandler(CreateProject)
export class CreateProjectHandler implements ICommandHandler<CreateProject> {
  constructor(private readonly projects: Projects) {}
  execute({ wish, by }: CreateProject): Promise<CreatedProject> {
    return this.projects.create(wish, by);
  }
}

@CommandHandler(UpdateProject)
export class UpdateProjectHandler implements ICommandHandler<UpdateProject> {
  constructor(private readonly projects: Projects) {}
  execute({ projectId, settings, by }: UpdateProject): Promise<Change> {
    return this.projects.update(projectId, settings, by);
  }
}

@CommandHandler(DeleteProject)
export class DeleteProjectHandler implements ICommandHandler<DeleteProject> {
  constructor(private readonly projects: Projects) {}
  execute({ projectId, by }: DeleteProject): Promise<Change> {
    return this.projects.delete(projectId, by);
  }
}
