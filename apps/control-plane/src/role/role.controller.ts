import { Controller, Param, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { roleApi as api } from '@neon/control-plane-contract';
import { Catalogs, type By as Origin, type RoleChange } from '@neon/control-plane-core';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { CreateRole, DeleteRole, ResetRolePassword } from '../branch/catalog.commands';
import { orAbsent } from '../http/absent';
import { ApiKeyGuard } from '../http/api-key.guard';
import { Found, existing } from '../http/found';
import * as show from '../http/rendering';
import { By } from '../http/request';
import { CheckedBody, Route } from '../http/route';
import { Changes } from '../node/changes';

@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class RoleController {
  constructor(
    private readonly changes: Changes,
    private readonly found: Found,
    private readonly catalogs: Catalogs,
  ) {}

  @Route(api.listProjectBranchRoles)
  async list(@Param('project_id') projectId: string, @Param('branch_id') branchId: string) {
    await this.found.branch(projectId, branchId);
    return { roles: (await this.found.model.roles(branchId)).map((row) => show.role(row)) };
  }

  @Route(api.createProjectBranchRole)
  async create(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @CheckedBody(api.createProjectBranchRole) { role }: z.output<typeof api.createProjectBranchRole.body>,
    @By() by: Origin,
  ) {
    const wish = { name: role.name, login: role.no_login !== true };
    const change = await this.changes.make(new CreateRole({ projectId, branchId }, wish, by));
    return this.answer(branchId, role.name, change);
  }

  @Route(api.getProjectBranchRole)
  async get(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @Param('role_name') name: string,
  ) {
    await this.found.branch(projectId, branchId);
    return { role: show.role(existing(await this.found.model.role(branchId, name), 'Role')) };
  }

  @Route(api.deleteProjectBranchRole)
  async delete(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @Param('role_name') name: string,
    @By() by: Origin,
    @Res({ passthrough: true }) response: ServerResponse,
  ) {
    await this.found.branch(projectId, branchId);
    return orAbsent(response, 'RoleNotFound', async () => {
      const { role } = await this.get(projectId, branchId, name);
      const { operationIds } = await this.changes.make(new DeleteRole({ projectId, branchId }, name, by));
      return { role, operations: (await this.found.model.operationsOf(operationIds)).map(show.operation) };
    });
  }

  @Route(api.getProjectBranchRolePassword)
  async reveal(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @Param('role_name') name: string,
  ) {
    return { password: await this.catalogs.revealPassword({ projectId, branchId }, name) };
  }

  @Route(api.resetProjectBranchRolePassword)
  async reset(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @Param('role_name') name: string,
    @By() by: Origin,
  ) {
    const change = await this.changes.make(new ResetRolePassword({ projectId, branchId }, name, by));
    return this.answer(branchId, name, change);
  }

  private async answer(branchId: string, name: string, { password, operationIds }: RoleChange) {
    const row = existing(await this.found.model.role(branchId, name), 'Role');
    const operations = await this.found.model.operationsOf(operationIds);
    return { role: show.role(row, password), operations: operations.map(show.operation) };
  }
}
