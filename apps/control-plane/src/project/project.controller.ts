import { Controller, Param, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { projectApi as api } from '@neon/control-plane-contract';
import type { By as Origin, EndpointSettings, ProjectSettings } from '@neon/control-plane-core';
import { Refusal } from '@neon/kernel';
import { z } from 'zod';
import { settingsOf } from '../endpoint/endpoint-wish';
import { ApiKeyGuard } from '../http/api-key.guard';
import { Found, existing } from '../http/found';
import * as show from '../http/rendering';
import { By } from '../http/request';
import { CheckedBody, CheckedQuery, Route } from '../http/route';
import { Changes } from '../node/changes';
import { ControlPlaneNode } from '../node/control-plane-node';
import { CreateProject, DeleteProject, UpdateProject } from './project.commands';

const PAGE_DEFAULT = 10;
const DEFAULTS = { branch: 'main', role: 'neondb_owner', database: 'neondb' };

@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class ProjectController {
  constructor(
    private readonly changes: Changes,
    private readonly found: Found,
    private readonly node: ControlPlaneNode,
  ) {}

  @Route(api.listProjects)
  async list(@CheckedQuery(api.listProjects) query: z.output<typeof api.listProjects.query>) {
    const { cursor, limit = PAGE_DEFAULT, search, org_id, recoverable } = query;
    if (org_id !== undefined) throw new Refusal('OrganizationNotFound', 'organization not found');
    // Deleted projects cannot be recovered.
    const rows = recoverable === true ? [] : await this.found.model.projects({ cursor, limit, search });
    const last = rows.at(-1);
    return {
      projects: rows.map((row) => show.projectItem(row, this.node.get('config'))),
      applications: {},
      integrations: {},
      ...(last === undefined ? {} : { pagination: { cursor: last.id } }),
    };
  }

  @Route(api.listSharedProjects)
  listShared(@CheckedQuery(api.listSharedProjects) _query: unknown) {
    return { projects: [] };
  }

  @Route(api.createProject)
  async create(@CheckedBody(api.createProject) body: z.output<typeof api.createProject.body>, @By() by: Origin) {
    const { project, endpointSettings } = this.wishOf(body);
    const created = await this.changes.make(new CreateProject({ ...project, endpointSettings }, by));
    const { projectId, branchId, endpointId, password, operationIds } = created;
    const { model } = this.found;
    const [row, branch, endpoint, roles, databases, operations] = await Promise.all([
      model.project(projectId),
      model.branch(projectId, branchId),
      model.endpoint(projectId, endpointId),
      model.roles(branchId),
      model.databases(branchId),
      model.operationsOf(operationIds),
    ]);
    const config = this.node.get('config');
    const { roleName: role, databaseName: database } = project;
    return {
      project: show.project(existing(row, 'Project'), config, new Date()),
      connection_uris: [show.connection({ role, password, database, endpointId }, config)],
      roles: roles.map((each) => show.role(each, password)),
      databases: databases.map(show.database),
      operations: operations.map(show.operation),
      branch: show.branch(existing(branch, 'Branch')),
      endpoints: [show.endpoint(existing(endpoint, 'Endpoint'), config)],
    };
  }

  @Route(api.getProject)
  async get(@Param('project_id') projectId: string) {
    return { project: show.project(await this.found.project(projectId), this.node.get('config'), new Date()) };
  }

  @Route(api.updateProject)
  async update(
    @Param('project_id') projectId: string,
    @CheckedBody(api.updateProject) { project }: z.output<typeof api.updateProject.body>,
    @By() by: Origin,
  ) {
    const defaults = project.default_endpoint_settings;
    const settings: Partial<ProjectSettings> = {
      ...(project.name === undefined ? {} : { name: project.name }),
      ...(project.history_retention_seconds === undefined
        ? {}
        : { historyRetentionSeconds: project.history_retention_seconds }),
      ...allowedIpsOf(project.settings?.allowed_ips),
    };
    const row = await this.found.project(projectId);
    if (defaults !== undefined) {
      const { default_endpoint_settings: current } = show.projectItem(row, this.node.get('config'));
      settings.defaultEndpointSettings = {
        autoscalingLimitMinCu: current.autoscaling_limit_min_cu,
        autoscalingLimitMaxCu: current.autoscaling_limit_max_cu,
        suspendTimeoutSeconds: current.suspend_timeout_seconds,
        pgSettings: current.pg_settings,
        ...defaultsOf(defaults),
      };
    }
    await this.changes.make(new UpdateProject(projectId, settings, by));
    return { ...(await this.get(projectId)), operations: [] };
  }

  @Route(api.deleteProject)
  async delete(@Param('project_id') projectId: string, @By() by: Origin) {
    const answer = await this.get(projectId);
    await this.changes.make(new DeleteProject(projectId, by));
    return answer;
  }

  private wishOf({ project }: z.output<typeof api.createProject.body>) {
    const { regionId, pgVersions } = this.node.get('config');
    if (project.region_id !== undefined && project.region_id !== regionId)
      throw new Refusal('RegionUnknown', `project.region_id: the region of this installation is ${regionId}`);
    const pgVersion = project.pg_version ?? pgVersions[0];
    if (!pgVersions.includes(pgVersion))
      throw new Refusal(
        'PgVersionUnknown',
        `project.pg_version: this installation has Postgres ${pgVersions.join(', ')}`,
      );
    return {
      project: {
        name: project.name,
        pgVersion,
        regionId,
        branchName: project.branch?.name ?? DEFAULTS.branch,
        roleName: project.branch?.role_name ?? DEFAULTS.role,
        databaseName: project.branch?.database_name ?? DEFAULTS.database,
        storePasswords: project.store_passwords ?? true,
        historyRetentionSeconds: project.history_retention_seconds,
        ...allowedIpsOf(project.settings?.allowed_ips),
      },
      endpointSettings: {
        ...settingsOf({ ...project, settings: undefined }),
        ...defaultsOf(project.default_endpoint_settings ?? {}),
      },
    };
  }
}

interface DefaultsBody {
  readonly autoscaling_limit_min_cu?: number | undefined;
  readonly autoscaling_limit_max_cu?: number | undefined;
  readonly suspend_timeout_seconds?: number | undefined;
  readonly pg_settings?: Record<string, string> | undefined;
}

const defaultsOf = ({ pg_settings, ...sizes }: DefaultsBody): Partial<EndpointSettings> =>
  settingsOf({ ...sizes, settings: { pg_settings } });

function allowedIpsOf(
  allowed: { ips?: string[] | undefined; protected_branches_only?: boolean | undefined } | undefined,
): Pick<Partial<ProjectSettings>, 'allowedIps'> {
  if (allowed === undefined) return {};
  return { allowedIps: { ips: allowed.ips ?? [], protectedBranchesOnly: allowed.protected_branches_only ?? false } };
}
