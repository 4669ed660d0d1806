import { Controller, Param, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { databaseApi as api } from '@neon/control-plane-contract';
import type { By as Origin } from '@neon/control-plane-core';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { CreateDatabase, DeleteDatabase } from '../branch/catalog.commands';
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
export class DatabaseController {
  constructor(
    private readonly changes: Changes,
    private readonly found: Found,
  ) {}

  @Route(api.listProjectBranchDatabases)
  async list(@Param('project_id') projectId: string, @Param('branch_id') branchId: string) {
    await this.found.branch(projectId, branchId);
    return { databases: (await this.found.model.databases(branchId)).map(show.database) };
  }

  @Route(api.createProjectBranchDatabase)
  async create(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @CheckedBody(api.createProjectBranchDatabase) { database }: z.output<typeof api.createProjectBranchDatabase.body>,
    @By() by: Origin,
  ) {
    const wish = { name: database.name, ownerName: database.owner_name };
    const { operationIds } = await this.changes.make(new CreateDatabase({ projectId, branchId }, wish, by));
    const operations = await this.found.model.operationsOf(operationIds);
    return { ...(await this.get(projectId, branchId, database.name)), operations: operations.map(show.operation) };
  }

  @Route(api.getProjectBranchDatabase)
  async get(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @Param('database_name') name: string,
  ) {
    await this.found.branch(projectId, branchId);
    return { database: show.database(existing(await this.found.model.databaseOf(branchId, name), 'Database')) };
  }

  @Route(api.deleteProjectBranchDatabase)
  async delete(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @Param('database_name') name: string,
    @By() by: Origin,
    @Res({ passthrough: true }) response: ServerResponse,
  ) {
    await this.found.branch(projectId, branchId);
    return orAbsent(response, 'DatabaseNotFound', async () => {
      const { database } = await this.get(projectId, branchId, name);
      const { operationIds } = await this.changes.make(new DeleteDatabase({ projectId, branchId }, name, by));
      return { database, operations: (await this.found.model.operationsOf(operationIds)).map(show.operation) };
    });
  }
}
