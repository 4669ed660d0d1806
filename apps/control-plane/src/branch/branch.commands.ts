/** Changes of branches, as the command bus carries them. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  Branches,
  type BranchPath,
  type By,
  type Change,
  type CreatedBranch,
  type NewBranch,
} from '@neon/control-plane-core';

export class CreateBranch extends Command<CreatedBranch> {
  constructor(
    readonly projectId: string,
    readonly wish: NewBranch,
    readonly by: By,
  ) {
    super();
  }
}

export class RenameBranch extends Command<Change> {
  constructor(
    readonly path: BranchPath,
    readonly name: string,
    readonly by: By,
  ) {
    super();
  }
}

export class DeleteBranch extends Command<Change> {
  constructor(
    readonly path: BranchPath,
    readonly by: By,
  ) {
    super();
  }
}

@CommandHandler(CreateBranch)
export class CreateBranchHandler implements ICommandHandler<CreateBranch> {
  constructor(private readonly branches: Branches) {}
  execute({ projectId, wish, by }: CreateBranch): Promise<CreatedBranch> {
    return this.branches.create(projectId, wish, by);
  }
}

@CommandHandler(RenameBranch)
export class RenameBranchHandler implements ICommandHandler<RenameBranch> {
  constructor(private readonly branches: Branches) {}
  execute({ path, name, by }: RenameBranch): Promise<Change> {
    return this.branches.rename(path, name, by);
  }
}

@CommandHandler(DeleteBranch)
export class DeleteBranchHandler implements ICommandHandler<DeleteBranch> {
  constructor(private readonly branches: Branches) {}
  execute({ path, by }: DeleteBranch): Promise<Change> {
    return this.branches.delete(path, by);
  }
}
