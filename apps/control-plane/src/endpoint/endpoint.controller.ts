import { Controller, Param, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { endpointApi as api } from '@neon/control-plane-contract';
import type { Change, By as Origin } from '@neon/control-plane-core';
import type { Command } from '@nestjs/cqrs';
import { Refusal } from '@neon/kernel';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { orAbsent } from '../http/absent';
import { ApiKeyGuard } from '../http/api-key.guard';
import { Found } from '../http/found';
import * as show from '../http/rendering';
import { By } from '../http/request';
import { CheckedBody, Route } from '../http/route';
import { Changes } from '../node/changes';
import { ControlPlaneNode } from '../node/control-plane-node';
import {
  CreateEndpoint,
  DeleteEndpoint,
  RestartEndpoint,
  StartEndpoint,
  SuspendEndpoint,
  UpdateEndpoint,
} from './endpoint.commands';
import { readWrite, settingsOf } from './endpoint-wish';

@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class EndpointController {
  constructor(
    private readonly changes: Changes,
    private readonly found: Found,
    private readonly node: ControlPlaneNode,
  ) {}

  @Route(api.createProjectEndpoint)
  async create(
    @Param('project_id') projectId: string,
    @CheckedBody(api.createProjectEndpoint) { endpoint }: z.output<typeof api.createProjectEndpoint.body>,
    @By() by: Origin,
  ) {
    const { branch_id: branchId, type, name, region_id } = endpoint;
    const { regionId } = this.node.get('config');
    if (region_id !== undefined && region_id !== regionId)
      throw new Refusal('RegionUnknown', `endpoint.region_id: the region of this installation is ${regionId}`);
    const wish = { branchId, kind: readWrite(type), name, settings: settingsOf(endpoint) };
    const created = await this.changes.make(new CreateEndpoint(projectId, wish, by));
    return this.answer(projectId, created.endpointId, created);
  }

  @Route(api.listProjectEndpoints)
  async list(@Param('project_id') projectId: string) {
    await this.found.project(projectId);
    return this.all(await this.found.model.endpoints(projectId));
  }

  @Route(api.listProjectBranchEndpoints)
  async listOfBranch(@Param('project_id') projectId: string, @Param('branch_id') branchId: string) {
    await this.found.branch(projectId, branchId);
    return this.all(await this.found.model.endpoints(projectId, branchId));
  }

  @Route(api.getProjectEndpoint)
  async get(@Param('project_id') projectId: string, @Param('endpoint_id') endpointId: string) {
    const row = await this.found.endpoint(projectId, endpointId);
    return { endpoint: show.endpoint(row, this.node.get('config')) };
  }

  @Route(api.updateProjectEndpoint)
  update(
    @Param('project_id') projectId: string,
    @Param('endpoint_id') endpointId: string,
    @CheckedBody(api.updateProjectEndpoint) { endpoint }: z.output<typeof api.updateProjectEndpoint.body>,
    @By() by: Origin,
  ) {
    return this.change(projectId, endpointId, new UpdateEndpoint({ projectId, endpointId }, settingsOf(endpoint), by));
  }

  @Route(api.deleteProjectEndpoint)
  delete(
    @Param('project_id') projectId: string,
    @Param('endpoint_id') endpointId: string,
    @By() by: Origin,
    @Res({ passthrough: true }) response: ServerResponse,
  ) {
    return orAbsent(response, 'EndpointNotFound', async () => {
      const row = await this.found.endpoint(projectId, endpointId);
      const { operationIds } = await this.changes.make(new DeleteEndpoint({ projectId, endpointId }, by));
      const operations = await this.found.model.operationsOf(operationIds);
      return { endpoint: show.endpoint(row, this.node.get('config')), operations: operations.map(show.operation) };
    });
  }

  @Route(api.startProjectEndpoint)
  start(@Param('project_id') projectId: string, @Param('endpoint_id') endpointId: string, @By() by: Origin) {
    return this.change(projectId, endpointId, new StartEndpoint({ projectId, endpointId }, by));
  }

  @Route(api.suspendProjectEndpoint)
  suspend(@Param('project_id') projectId: string, @Param('endpoint_id') endpointId: string, @By() by: Origin) {
    return this.change(projectId, endpointId, new SuspendEndpoint({ projectId, endpointId }, by));
  }

  @Route(api.restartProjectEndpoint)
  restart(@Param('project_id') projectId: string, @Param('endpoint_id') endpointId: string, @By() by: Origin) {
    return this.change(projectId, endpointId, new RestartEndpoint({ projectId, endpointId }, by));
  }

  private async change(projectId: string, endpointId: string, command: Command<Change>) {
    return this.answer(projectId, endpointId, await this.changes.make(command));
  }

  private async answer(projectId: string, endpointId: string, { operationIds }: Change) {
    const operations = await this.found.model.operationsOf(operationIds);
    return { ...(await this.get(projectId, endpointId)), operations: operations.map(show.operation) };
  }

  private all(rows: readonly Parameters<typeof show.endpoint>[0][]) {
    return { endpoints: rows.map((row) => show.endpoint(row, this.node.get('config'))) };
  }
}
