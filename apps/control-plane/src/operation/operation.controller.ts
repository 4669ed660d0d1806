import { Controller, Param, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { operationApi as api } from '@neon/control-plane-contract';
import { z } from 'zod';
import { ApiKeyGuard } from '../http/api-key.guard';
import { Found, existing } from '../http/found';
import * as show from '../http/rendering';
import { CheckedQuery, Route } from '../http/route';

const PAGE_DEFAULT = 1_000;

@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class OperationController {
  constructor(private readonly found: Found) {}

  @Route(api.listProjectOperations)
  async list(
    @Param('project_id') projectId: string,
    @CheckedQuery(api.listProjectOperations) query: z.output<typeof api.listProjectOperations.query>,
  ) {
    const { cursor, limit = PAGE_DEFAULT } = query;
    await this.found.project(projectId);
    const rows = await this.found.model.operations(projectId, { cursor, limit });
    const last = rows.at(-1);
    return {
      operations: rows.map(show.operation),
      ...(last === undefined ? {} : { pagination: { cursor: last.id } }),
    };
  }

  @Route(api.getProjectOperation)
  async get(@Param('project_id') projectId: string, @Param('operation_id') operationId: string) {
    await this.found.project(projectId);
    const known = z.uuid().safeParse(operationId).success;
    const row = known ? await this.found.model.operation(projectId, operationId) : null;
    return { operation: show.operation(existing(row, 'Operation')) };
  }
}
