/** Changes of a branch's roles and databases, as the command bus carries them. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type BranchPath, type By, Catalogs, type Change, type RoleChange } from '@neon/control-plane-core';

abstract class RoleCommand extends Command<RoleChange> {
  constructor(
    readonly path: BranchPath,
    readonly name: string,
    readonly by: By,
  ) {
    super();
  }
}
abstract class NamedCommand extends Command<Change> {
  constructor(
    readonly path: BranchPath,
    readonly name: string,
    readonly by: By,
  ) {
    super();
  }
}

export class CreateRole extends RoleCommand {
  constructor(
    path: BranchPath,
    readonly role: { readonly name: string; readonly login: boolean },
    by: By,
  ) {
    super(path, role.name, by);
  }
}
export class ResetRolePassword extends RoleCommand {}
export class DeleteRole extends NamedCommand {}
export class CreateDatabase extends NamedCommand {
  constructor(
    path: BranchPath,
    readonly database: { readonly name: string; readonly ownerName: string },
    by: By,
  ) {
    super(path, database.name, by);
  }
}
export class DeleteDatabase extends NamedCommand {}

@CommandHandler(CreateRole)
export class CreateRoleHandler implements ICommandHandler<CreateRole> {
  constructor(private readonly catalogs: Catalogs) {}
  execute({ path, role, by }: CreateRole): Promise<RoleChange> {
    return this.catalogs.createRole(path, role, by);
  }
}

@CommandHandler(ResetRolePassword)
export class ResetRolePasswordHandler implements ICommandHandler<ResetRolePassword> {
  constructor(private readonly catalogs: Catalogs) {}
  execute({ path, name, by }: ResetRolePassword): Promise<RoleChange> {
    return this.catalogs.resetPassword(path, name, by);
  }
}

@CommandHandler(DeleteRole)
export class DeleteRoleHandler implements ICommandHandler<DeleteRole> {
  constructor(private readonly catalogs: Catalogs) {}
  execute({ path, name, by }: DeleteRole): Promise<Change> {
    return this.catalogs.deleteRole(path, name, by);
  }
}

@CommandHandler(CreateDatabase)
export class CreateDatabaseHandler implements ICommandHandler<CreateDatabase> {
  constructor(private readonly catalogs: Catalogs) {}
  execute({ path, database, by }: CreateDatabase): Promise<Change> {
    return this.catalogs.createDatabase(path, database, by);
  }
}

@CommandHandler(DeleteDatabase)
export class DeleteDatabaseHandler implements ICommandHandler<DeleteDatabase> {
  constructor(private readonly catalogs: Catalogs) {}
  execute({ path, name, by }: DeleteDatabase): Promise<Change> {
    return this.catalogs.deleteDatabase(path, name, by);
  }
}
