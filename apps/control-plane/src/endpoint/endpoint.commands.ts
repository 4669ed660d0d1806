/** Changes of endpoints, as the command bus carries them. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  type By,
  type Change,
  type EndpointPath,
  type EndpointSettings,
  type EndpointWish,
  Endpoints,
} from '@neon/control-plane-core';

abstract class EndpointCommand extends Command<Change> {
  constructor(
    readonly path: EndpointPath,
    readonly by: By,
  ) {
    super();
  }
}

export class CreateEndpoint extends Command<Change & { readonly endpointId: string }> {
  constructor(
    readonly projectId: string,
    readonly wish: EndpointWish,
    readonly by: By,
  ) {
    super();
  }
}
export class UpdateEndpoint extends EndpointCommand {
  constructor(
    path: EndpointPath,
    readonly settings: Partial<EndpointSettings>,
    by: By,
  ) {
    super(path, by);
  }
}
export class StartEndpoint extends EndpointCommand {}
export class SuspendEndpoint extends EndpointCommand {}
export class RestartEndpoint extends EndpointCommand {}
export class DeleteEndpoint extends EndpointCommand {}

@CommandHandler(CreateEndpoint)
export class CreateEndpointHandler implements ICommandHandler<CreateEndpoint> {
  constructor(private readonly endpoints: Endpoints) {}
  execute({ projectId, wish, by }: CreateEndpoint): Promise<Change & { readonly endpointId: string }> {
    return this.endpoints.create(projectId, wish, by);
  }
}

@CommandHandler(UpdateEndpoint)
export class UpdateEndpointHandler implements ICommandHandler<UpdateEndpoint> {
  constructor(private readonly endpoints: Endpoints) {}
  execute({ path, settings, by }: UpdateEndpoint): Promise<Change> {
    return this.endpoints.update(path, settings, by);
  }
}

@CommandHandler(StartEndpoint)
export class StartEndpointHandler implements ICommandHandler<StartEndpoint> {
  constructor(private readonly endpoints: Endpoints) {}
  execute({ path, by }: StartEndpoint): Promise<Change> {
    return this.endpoints.start(path, by);
  }
}

@CommandHandler(SuspendEndpoint)
export class SuspendEndpointHandler implements ICommandHandler<SuspendEndpoint> {
  constructor(private readonly endpoints: Endpoints) {}
  execute({ path, by }: SuspendEndpoint): Promise<Change> {
    return this.endpoints.suspend(path, by);
  }
}

@CommandHandler(RestartEndpoint)
export class RestartEndpointHandler implements ICommandHandler<RestartEndpoint> {
  constructor(private readonly endpoints: Endpoints) {}
  execute({ path, by }: RestartEndpoint): Promise<Change> {
    return this.endpoints.restart(path, by);
  }
}

@CommandHandler(DeleteEndpoint)
export class DeleteEndpointHandler implements ICommandHandler<DeleteEndpoint> {
  constructor(private readonly endpoints: Endpoints) {}
  execute({ path, by }: DeleteEndpoint): Promise<Change> {
    return this.endpoints.delete(path, by);
  }
}
