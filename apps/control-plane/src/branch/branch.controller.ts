import { Controller, Param, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { branchApi as api } from '@neon/control-plane-contract';
import { type BranchPoint, Catalogs, type By as Origin } from '@neon/control-plane-core';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { readWrite, settingsOf } from '../endpoint/endpoint-wish';
import { orAbsent } from '../http/absent';
import { ApiKeyGuard } from '../http/api-key.guard';
import { Found, existing } from '../http/found';
import * as show from '../http/rendering';
import { By } from '../http/request';
import { CheckedBody, CheckedQuery, Route } from '../http/route';
import { Changes } from '../node/changes';
import { ControlPlaneNode } from '../node/control-plane-node';
import { CreateBranch, DeleteBranch, RenameBranch } from './branch.commands';

/** Clients that know no pages expect all branches. */
const PAGE_DEFAULT = 10_000;
const SORT_KEYS = { name: 'name', created_at: 'createdAt', updated_at: 'updatedAt' } as const;

@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class BranchController {
  constructor(
    private readonly changes: Changes,
    private readonly found: Found,
    private readonly catalogs: Catalogs,
    private readonly node: ControlPlaneNode,
  ) {}

  @Route(api.createProjectBranch)
  async create(
    @Param('project_id') projectId: string,
    @CheckedBody(api.createProjectBranch) body: z.output<typeof api.createProjectBranch.body>,
    @By() by: Origin,
  ) {
    const { branch: wish = {}, endpoints: wishes = [] } = body;
    const endpoints = wishes.map((each) => ({ kind: readWrite(each.type), settings: settingsOf(each) }));
    const { name, parent_id: parentId } = wish;
    const annotation = body.annotation_value ?? {};
    const created = await this.changes.make(
      new CreateBranch(projectId, { name, parentId, point: pointOf(wish), endpoints, annotation }, by),
    );
    const { branchId, endpointIds, operationIds } = created;
    const { model } = this.found;
    const [branch, rows, roles, databases, operations] = await Promise.all([
      model.branch(projectId, branchId),
      model.endpoints(projectId, branchId),
      model.roles(branchId),
      model.databases(branchId),
      model.operationsOf(operationIds),
    ]);
    const uris = await this.connections({ projectId, branchId }, endpointIds);
    return {
      branch: show.branch(existing(branch, 'Branch')),
      endpoints: rows.map((row) => show.endpoint(row, this.node.get('config'))),
      operations: operations.map(show.operation),
      roles: roles.map((row) => show.role(row)),
      databases: databases.map(show.database),
      ...(uris.length === 0 ? {} : { connection_uris: uris }),
    };
  }

  @Route(api.listProjectBranches)
  async list(
    @Param('project_id') projectId: string,
    @CheckedQuery(api.listProjectBranches) query: z.output<typeof api.listProjectBranches.query>,
  ) {
    const { search, cursor, limit = PAGE_DEFAULT, sort_by = 'updated_at', sort_order = 'desc' } = query;
    await this.found.project(projectId);
    const order = { sortBy: SORT_KEYS[sort_by], sortOrder: sort_order };
    const rows = await this.found.model.branches(projectId, { search, cursor, limit, ...order });
    const annotated = rows.filter((row) => Object.keys(show.annotation(row).value).length > 0);
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return {
      branches: rows.map(show.branch),
      annotations: Object.fromEntries(annotated.map((row) => [row.id, show.annotation(row)])),
      ...(last === undefined ? {} : { pagination: { next: last.id, sort_by, sort_order } }),
    };
  }

  @Route(api.countProjectBranches)
  async count(
    @Param('project_id') projectId: string,
    @CheckedQuery(api.countProjectBranches) { search }: z.output<typeof api.countProjectBranches.query>,
  ) {
    await this.found.project(projectId);
    return { count: await this.found.model.countBranches(projectId, search) };
  }

  @Route(api.getProjectBranch)
  async get(@Param('project_id') projectId: string, @Param('branch_id') branchId: string) {
    const row = await this.found.branch(projectId, branchId);
    return { branch: show.branch(row), annotation: show.annotation(row) };
  }

  @Route(api.updateProjectBranch)
  async update(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @CheckedBody(api.updateProjectBranch) { branch }: z.output<typeof api.updateProjectBranch.body>,
    @By() by: Origin,
  ) {
    if (branch.name !== undefined) await this.changes.make(new RenameBranch({ projectId, branchId }, branch.name, by));
    return { branch: show.branch(await this.found.branch(projectId, branchId)), operations: [] };
  }

  @Route(api.deleteProjectBranch)
  delete(
    @Param('project_id') projectId: string,
    @Param('branch_id') branchId: string,
    @CheckedQuery(api.deleteProjectBranch) _query: unknown,
    @By() by: Origin,
    @Res({ passthrough: true }) response: ServerResponse,
  ) {
    return orAbsent(response, 'BranchNotFound', async () => {
      const row = await this.found.branch(projectId, branchId);
      const { operationIds } = await this.changes.make(new DeleteBranch({ projectId, branchId }, by));
      const operations = await this.found.model.operationsOf(operationIds);
      return { branch: show.branch(row), operations: operations.map(show.operation) };
    });
  }

  /** For the first database and its owner, through each endpoint; nothing when the password is not stored. */
  private async connections(path: { projectId: string; branchId: string }, endpointIds: readonly string[]) {
    const [database] = await this.found.model.databases(path.branchId);
    if (database === undefined || endpointIds.length === 0) return [];
    const role = database.ownerName;
    const password = await this.catalogs.revealPassword(path, role).catch(() => null);
    if (password === null) return [];
    return endpointIds.map((endpointId) =>
      show.connection({ role, password, database: database.name, endpointId }, this.node.get('config')),
    );
  }
}

function pointOf({
  parent_lsn: lsn,
  parent_timestamp: time,
}: {
  parent_lsn?: string | undefined;
  parent_timestamp?: string | undefined;
}): BranchPoint {
  if (lsn !== undefined) return { kind: 'lsn', lsn };
  if (time !== undefined) return { kind: 'time', time, at: Date.parse(time) };
  return { kind: 'head' };
}
