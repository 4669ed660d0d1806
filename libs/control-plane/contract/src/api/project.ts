import { z } from 'zod';
import { BranchAnswer, BranchName } from './branch';
import { ConnectionDetails } from './connection';
import { DatabasesAnswer } from './database';
import { EndpointsAnswer, IN_ORDER, PgSettings, inOrder } from './endpoint';
import { OperationsAnswer } from './operation';
import { defineOperation } from './operation-definition';
import { RolesAnswer } from './role';
import {
  ComputeUnit,
  Pagination,
  SuspendTimeout,
  Timestamp,
  notImplemented,
  queryBoolean,
  queryInteger,
  queryText,
} from './values';

/** As the documentation says; the published schema allows more. */
const NAME_LENGTH_MAX = 64;
const ProjectName = z.string().trim().min(1).max(NAME_LENGTH_MAX);

const THIRTY_DAYS_SECONDS = 2_592_000;
const HistoryRetention = z.number().int().min(0).max(THIRTY_DAYS_SECONDS);

const CIDR_OR_RANGE = /^[0-9a-fA-F:.]+(\/\d{1,3}|-[0-9a-fA-F:.]+)?$/;
const AllowedIps = z.object({
  ips: z.array(z.string().regex(CIDR_OR_RANGE, 'not an address, a range or a CIDR block')).optional(),
  protected_branches_only: z.boolean().optional(),
});

const DefaultEndpointSettings = z
  .object({
    pg_settings: PgSettings.optional(),
    pgbouncer_settings: notImplemented,
    autoscaling_limit_min_cu: ComputeUnit.optional(),
    autoscaling_limit_max_cu: ComputeUnit.optional(),
    suspend_timeout_seconds: SuspendTimeout.optional(),
  })
  .refine(inOrder, IN_ORDER);

const ProjectSettingsInput = z.object({
  allowed_ips: AllowedIps.optional(),
  quota: notImplemented,
  enable_logical_replication: notImplemented,
  maintenance_window: notImplemented,
  block_public_connections: notImplemented,
  block_vpc_connections: notImplemented,
  audit_log_level: notImplemented,
  hipaa: notImplemented,
  preload_libraries: notImplemented,
});

const ProjectSettings = z.object({
  allowed_ips: z.object({ ips: z.array(z.string()), protected_branches_only: z.boolean() }),
});

export const ProjectListItem = z.object({
  id: z.string(),
  platform_id: z.string(),
  region_id: z.string(),
  name: z.string(),
  provisioner: z.string(),
  default_endpoint_settings: z.object({
    pg_settings: z.record(z.string(), z.string()),
    autoscaling_limit_min_cu: z.number(),
    autoscaling_limit_max_cu: z.number(),
    suspend_timeout_seconds: z.number().int(),
  }),
  settings: ProjectSettings,
  pg_version: z.number().int(),
  proxy_host: z.string(),
  branch_logical_size_limit: z.number().int(),
  branch_logical_size_limit_bytes: z.number().int(),
  store_passwords: z.boolean(),
  active_time: z.number().int(),
  cpu_used_sec: z.number().int(),
  creation_source: z.string(),
  history_retention_seconds: z.number().int(),
  created_at: Timestamp,
  updated_at: Timestamp,
  owner_id: z.string(),
});
export type ProjectListItem = z.infer<typeof ProjectListItem>;

export const Project = ProjectListItem.omit({ active_time: true }).extend({
  data_storage_bytes_hour: z.number().int(),
  data_transfer_bytes: z.number().int(),
  written_data_bytes: z.number().int(),
  compute_time_seconds: z.number().int(),
  active_time_seconds: z.number().int(),
  consumption_period_start: Timestamp,
  consumption_period_end: Timestamp,
});
export type Project = z.infer<typeof Project>;

const ProjectAnswer = z.object({ project: Project });
const tag = 'Project';
const path = '/projects/{project_id}';
const PROJECTS_MAX = 400;
const page = {
  cursor: queryText,
  limit: queryInteger({ min: 1, max: PROJECTS_MAX }),
  search: queryText,
  timeout: queryInteger({ min: 100, max: 30_000 }),
};

export const listProjects = defineOperation({
  operationId: 'listProjects',
  method: 'GET',
  path: '/projects',
  summary: 'List projects, newest first',
  tag,
  status: 200,
  query: z.object({ ...page, org_id: queryText, recoverable: queryBoolean }),
  answer: z.object({
    projects: z.array(ProjectListItem),
    applications: z.record(z.string(), z.array(z.string())),
    integrations: z.record(z.string(), z.array(z.string())),
    pagination: Pagination.optional(),
  }),
});

export const listSharedProjects = defineOperation({
  operationId: 'listSharedProjects',
  method: 'GET',
  path: '/projects/shared',
  summary: 'List projects shared with you: there are none, for nothing can be shared',
  tag,
  status: 200,
  query: z.object(page),
  answer: z.object({ projects: z.array(ProjectListItem), pagination: Pagination.optional() }),
});

export const createProject = defineOperation({
  operationId: 'createProject',
  method: 'POST',
  path: '/projects',
  summary: 'Create a project with a branch, a role, a database and an endpoint',
  tag,
  status: 201,
  body: z.object({
    project: z.object({
      settings: ProjectSettingsInput.optional(),
      name: ProjectName.optional(),
      branch: z
        .object({
          name: BranchName.optional(),
          role_name: z.string().optional(),
          database_name: z.string().optional(),
          annotations: notImplemented,
        })
        .optional(),
      autoscaling_limit_min_cu: ComputeUnit.optional(),
      autoscaling_limit_max_cu: ComputeUnit.optional(),
      provisioner: z.string().optional(),
      region_id: z.string().optional(),
      default_endpoint_settings: DefaultEndpointSettings.optional(),
      pg_version: z.number().int().min(14).max(18).optional(),
      store_passwords: z.boolean().optional(),
      history_retention_seconds: HistoryRetention.optional(),
      org_id: notImplemented,
    }),
  }),
  answer: ProjectAnswer.extend({ connection_uris: z.array(ConnectionDetails) })
    .extend(RolesAnswer.shape)
    .extend(DatabasesAnswer.shape)
    .extend(OperationsAnswer.shape)
    .extend(BranchAnswer.shape)
    .extend(EndpointsAnswer.shape),
});

export const getProject = defineOperation({
  operationId: 'getProject',
  method: 'GET',
  path,
  summary: 'Get a project',
  tag,
  status: 200,
  answer: ProjectAnswer,
});

export const updateProject = defineOperation({
  operationId: 'updateProject',
  method: 'PATCH',
  path,
  summary: 'Change the name or the settings of a project',
  tag,
  status: 200,
  body: z.object({
    project: z.object({
      settings: ProjectSettingsInput.optional(),
      name: ProjectName.optional(),
      default_endpoint_settings: DefaultEndpointSettings.optional(),
      history_retention_seconds: HistoryRetention.optional(),
    }),
  }),
  answer: ProjectAnswer.extend(OperationsAnswer.shape),
});

export const deleteProject = defineOperation({
  operationId: 'deleteProject',
  method: 'DELETE',
  path,
  summary: 'Delete a project and all that belongs to it',
  tag,
  status: 200,
  answer: ProjectAnswer,
});
