import { type DynamicModule, Module } from '@nestjs/common';
import { DatabaseController } from '../database/database.controller';
import { RoleController } from '../role/role.controller';
import { CreateBranchHandler, DeleteBranchHandler, RenameBranchHandler } from './branch.commands';
import { BranchController } from './branch.controller';
import {
  CreateDatabaseHandler,
  CreateRoleHandler,
  DeleteDatabaseHandler,
  DeleteRoleHandler,
  ResetRolePasswordHandler,
} from './catalog.commands';

/** Branches, and the roles and databases in them. */
@Module({})
export class BranchModule {
  static with(node: DynamicModule): DynamicModule {
    const branchHandlers = [CreateBranchHandler, RenameBranchHandler, DeleteBranchHandler];
    const roleHandlers = [CreateRoleHandler, ResetRolePasswordHandler, DeleteRoleHandler];
    return {
      module: BranchModule,
      imports: [node],
      controllers: [BranchController, RoleController, DatabaseController],
      providers: [...branchHandlers, ...roleHandlers, CreateDatabaseHandler, DeleteDatabaseHandler],
    };
  }
}
