import { Controller, Param, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { connectionApi as api } from '@neon/control-plane-contract';
import { Catalogs, connectionUri, endpointHost } from '@neon/control-plane-core';
import { Refusal } from '@neon/kernel';
import { z } from 'zod';
import { ApiKeyGuard } from '../http/api-key.guard';
import { Found, existing } from '../http/found';
import { CheckedQuery, Route } from '../http/route';
import { ControlPlaneNode } from '../node/control-plane-node';

type Query = z.output<typeof api.getConnectionURI.query>;

@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class ConnectionController {
  constructor(
    private readonly found: Found,
    private readonly catalogs: Catalogs,
    private readonly node: ControlPlaneNode,
  ) {}

  @Route(api.getConnectionURI)
  async get(@Param('project_id') projectId: string, @CheckedQuery(api.getConnectionURI) query: Query) {
    const { database_name: database, role_name: role, pooled = false } = query;
    const { endpointId, branchId } = await this.endpointOf(projectId, query);
    existing(await this.found.model.role(branchId, role), 'Role');
    existing(await this.found.model.databaseOf(branchId, database), 'Database');
    const password = await this.catalogs
      .revealPassword({ projectId, branchId }, role)
      .catch((error: unknown) =>
        error instanceof Refusal && error.code === 'PasswordNotStored' ? null : rethrow(error),
      );
    const host = endpointHost(endpointId, this.node.get('config').proxy, pooled);
    return { uri: connectionUri({ role, password, database, host }) };
  }

  /** The endpoint that is named, or the one of the branch that is named, or of the default branch. */
  private async endpointOf(
    projectId: string,
    { endpoint_id: endpointId, branch_id: branchId }: Query,
  ): Promise<{ endpointId: string; branchId: string }> {
    await this.found.project(projectId);
    if (endpointId !== undefined) {
      const endpoint = await this.found.endpoint(projectId, endpointId);
      if (branchId !== undefined && branchId !== endpoint.branchId)
        throw new Refusal('EndpointNotFound', 'the endpoint does not belong to the branch');
      return { endpointId, branchId: endpoint.branchId };
    }
    const branch = existing(
      branchId === undefined
        ? await this.found.model.defaultBranch(projectId)
        : await this.found.model.branch(projectId, branchId),
      'Branch',
    );
    const endpoints = await this.found.model.endpoints(projectId, branch.id);
    const primary = existing(
      endpoints.find(({ kind }) => kind === 'read_write'),
      'Endpoint',
    );
    return { endpointId: primary.id, branchId: branch.id };
  }
}

function rethrow(error: unknown): never {
  throw error;
}
