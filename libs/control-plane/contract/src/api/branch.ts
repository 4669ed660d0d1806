import { z } from 'zod';
import { DatabasesAnswer } from './database';
import { EndpointOptions, EndpointsAnswer } from './endpoint';
import { OperationsAnswer } from './operation';
import { defineOperation } from './operation-definition';
import { ConnectionDetails } from './connection';
import { RolesAnswer } from './role';
import {
  LSN,
  ObjectId,
  Timestamp,
  TimestampInput,
  notImplemented,
  onlyImplemented,
  queryBoolean,
  queryChoice,
  queryInteger,
  queryText,
} from './values';

export const BranchName = z.string().trim().min(1).max(256);

export const Branch = z.object({
  id: z.string(),
  project_id: z.string(),
  parent_id: z.string().optional(),
  parent_lsn: z.string().optional(),
  parent_timestamp: Timestamp.optional(),
  name: z.string(),
  current_state: z.string(),
  pending_state: z.string().optional(),
  state_changed_at: Timestamp,
  creation_source: z.string(),
  primary: z.boolean(),
  default: z.boolean(),
  protected: z.boolean(),
  cpu_used_sec: z.number(),
  compute_time_seconds: z.number(),
  active_time_seconds: z.number(),
  written_data_bytes: z.number(),
  data_transfer_bytes: z.number(),
  created_at: Timestamp,
  updated_at: Timestamp,
  init_source: z.string(),
});
export type Branch = z.infer<typeof Branch>;

export const Annotation = z.object({
  object: z.object({ type: z.string(), id: z.string() }),
  value: z.record(z.string(), z.string()),
  created_at: Timestamp.optional(),
  updated_at: Timestamp.optional(),
});
export type Annotation = z.infer<typeof Annotation>;

export const BranchAnswer = z.object({ branch: Branch });
const BranchOperations = BranchAnswer.extend(OperationsAnswer.shape);

/** Endpoints that one request may create. */
const ENDPOINTS_MAX = 1;
const BRANCHES_MAX = 10_000;
const tag = 'Branch';
const branches = '/projects/{project_id}/branches';
const path = `${branches}/{branch_id}`;

export const createProjectBranch = defineOperation({
  operationId: 'createProjectBranch',
  method: 'POST',
  path: branches,
  summary: 'Create a branch, with an endpoint when one is asked for',
  tag,
  status: 201,
  bodyOptional: true,
  body: z.object({
    endpoints: z.array(EndpointOptions).max(ENDPOINTS_MAX).optional(),
    branch: z
      .object({
        parent_id: ObjectId.optional(),
        name: BranchName.optional(),
        parent_lsn: LSN.optional(),
        parent_timestamp: TimestampInput.optional(),
        protected: onlyImplemented(false),
        archived: onlyImplemented(false),
        init_source: onlyImplemented('parent-data'),
        expires_at: notImplemented,
      })
      .refine(({ parent_lsn, parent_timestamp }) => parent_lsn === undefined || parent_timestamp === undefined, {
        error: 'cannot be given together with parent_lsn',
        path: ['parent_timestamp'],
      })
      .optional(),
    annotation_value: z.record(z.string(), z.string()).optional(),
  }),
  answer: BranchAnswer.extend(EndpointsAnswer.shape)
    .extend(OperationsAnswer.shape)
    .extend(RolesAnswer.shape)
    .extend(DatabasesAnswer.shape)
    .extend({ connection_uris: z.array(ConnectionDetails).optional() }),
});

export const listProjectBranches = defineOperation({
  operationId: 'listProjectBranches',
  method: 'GET',
  path: branches,
  summary: 'List branches',
  tag,
  status: 200,
  query: z.object({
    search: queryText,
    sort_by: queryChoice(['name', 'created_at', 'updated_at']),
    cursor: queryText,
    sort_order: queryChoice(['asc', 'desc']),
    limit: queryInteger({ min: 1, max: BRANCHES_MAX }),
    include_deleted: queryBoolean,
  }),
  answer: z.object({
    branches: z.array(Branch),
    annotations: z.record(z.string(), Annotation),
    pagination: z.object({ next: z.string(), sort_by: z.string(), sort_order: z.string() }).optional(),
  }),
});

export const countProjectBranches = defineOperation({
  operationId: 'countProjectBranches',
  method: 'GET',
  path: `${branches}/count`,
  summary: 'Count branches',
  tag,
  status: 200,
  query: z.object({ search: queryText }),
  answer: z.object({ count: z.number().int() }),
});

export const getProjectBranch = defineOperation({
  operationId: 'getProjectBranch',
  method: 'GET',
  path,
  summary: 'Get a branch',
  tag,
  status: 200,
  answer: BranchAnswer.extend({ annotation: Annotation }),
});

export const updateProjectBranch = defineOperation({
  operationId: 'updateProjectBranch',
  method: 'PATCH',
  path,
  summary: 'Rename a branch',
  tag,
  status: 200,
  body: z.object({
    branch: z.object({
      name: BranchName.optional(),
      protected: onlyImplemented(false),
      expires_at: z.null().optional(),
    }),
  }),
  answer: BranchOperations,
});

export const deleteProjectBranch = defineOperation({
  operationId: 'deleteProjectBranch',
  method: 'DELETE',
  path,
  summary: 'Delete a branch with its endpoints, roles and databases',
  tag,
  status: 200,
  query: z.object({ hard_delete: queryBoolean }),
  absentIsFine: true,
  answer: BranchOperations,
});
