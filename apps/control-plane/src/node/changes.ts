import { Injectable } from '@nestjs/common';
import { type Command, CommandBus } from '@nestjs/cqrs';
import { ControlPlaneNode } from './control-plane-node';

/** Makes a change and waits until it shows in the read tables: whoever asks next sees it. */
@Injectable()
export class Changes {
  constructor(
    private readonly commands: CommandBus,
    private readonly node: ControlPlaneNode,
  ) {}

  async make<T extends { readonly position: number }>(command: Command<T>): Promise<T> {
    const change = await this.commands.execute(command);
    await this.node.see(change.position);
    return change;
  }
}
