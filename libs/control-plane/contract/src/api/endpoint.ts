import { z } from 'zod';
import { defineOperation } from './operation-definition';
import { OperationsAnswer } from './operation';
import { ComputeUnit, ObjectId, SuspendTimeout, Timestamp, notImplemented, onlyImplemented } from './values';

export const EndpointType = z.enum(['read_write', 'read_only']);

/** Postgres settings by name. */
export const PgSettings = z.record(z.string().regex(/^[a-z_][a-z0-9_.]*$/, 'not a Postgres setting'), z.string());

export const EndpointSettingsData = z.object({
  pg_settings: PgSettings.optional(),
  pgbouncer_settings: notImplemented,
  preload_libraries: notImplemented,
});

export const Endpoint = z.object({
  host: z.string(),
  id: z.string(),
  name: z.string().optional(),
  project_id: z.string(),
  branch_id: z.string(),
  autoscaling_limit_min_cu: z.number(),
  autoscaling_limit_max_cu: z.number(),
  region_id: z.string(),
  type: EndpointType,
  current_state: z.enum(['init', 'active', 'idle']),
  pending_state: z.enum(['init', 'active', 'idle']).optional(),
  settings: z.object({ pg_settings: z.record(z.string(), z.string()) }),
  pooler_enabled: z.boolean(),
  pooler_mode: z.enum(['transaction']),
  disabled: z.boolean(),
  passwordless_access: z.boolean(),
  last_active: Timestamp.optional(),
  creation_source: z.string(),
  created_at: Timestamp,
  updated_at: Timestamp,
  started_at: Timestamp.optional(),
  suspended_at: Timestamp.optional(),
  proxy_host: z.string(),
  suspend_timeout_seconds: z.number().int(),
  provisioner: z.string(),
});
export type Endpoint = z.infer<typeof Endpoint>;

/** Sizes and time-outs, as endpoints of every request carry them. */
const sizes = {
  autoscaling_limit_min_cu: ComputeUnit.optional(),
  autoscaling_limit_max_cu: ComputeUnit.optional(),
  suspend_timeout_seconds: SuspendTimeout.optional(),
  provisioner: z.string().optional(),
  settings: EndpointSettingsData.optional(),
};

interface Sizes {
  readonly autoscaling_limit_min_cu?: number | undefined;
  readonly autoscaling_limit_max_cu?: number | undefined;
}
/** The smaller is not above the larger, when both are given. */
export const inOrder = ({ autoscaling_limit_min_cu: min, autoscaling_limit_max_cu: max }: Sizes): boolean =>
  min === undefined || max === undefined || min <= max;
export const IN_ORDER = {
  error: 'must not be above autoscaling_limit_max_cu',
  path: ['autoscaling_limit_min_cu'],
};

/** An endpoint that is created with its branch. */
export const EndpointOptions = z.object({ type: EndpointType, ...sizes }).refine(inOrder, IN_ORDER);
export type EndpointOptions = z.infer<typeof EndpointOptions>;

const EndpointAnswer = z.object({ endpoint: Endpoint });
const EndpointOperations = EndpointAnswer.extend(OperationsAnswer.shape);
export const EndpointsAnswer = z.object({ endpoints: z.array(Endpoint) });

const tag = 'Endpoint';
const path = '/projects/{project_id}/endpoints/{endpoint_id}';

export const createProjectEndpoint = defineOperation({
  operationId: 'createProjectEndpoint',
  method: 'POST',
  path: '/projects/{project_id}/endpoints',
  summary: 'Create an endpoint and start it',
  tag,
  status: 201,
  body: z.object({
    endpoint: z
      .object({
        branch_id: ObjectId,
        region_id: z.string().optional(),
        type: EndpointType,
        ...sizes,
        pooler_enabled: onlyImplemented(false),
        pooler_mode: z.enum(['transaction']).optional(),
        disabled: onlyImplemented(false),
        passwordless_access: onlyImplemented(false),
        name: z.string().min(1).max(256).optional(),
      })
      .refine(inOrder, IN_ORDER),
  }),
  answer: EndpointOperations,
});

export const listProjectEndpoints = defineOperation({
  operationId: 'listProjectEndpoints',
  method: 'GET',
  path: '/projects/{project_id}/endpoints',
  summary: 'List the endpoints of a project',
  tag,
  status: 200,
  answer: EndpointsAnswer,
});

export const listProjectBranchEndpoints = defineOperation({
  operationId: 'listProjectBranchEndpoints',
  method: 'GET',
  path: '/projects/{project_id}/branches/{branch_id}/endpoints',
  summary: 'List the endpoints of a branch',
  tag,
  status: 200,
  answer: EndpointsAnswer,
});

export const getProjectEndpoint = defineOperation({
  operationId: 'getProjectEndpoint',
  method: 'GET',
  path,
  summary: 'Get an endpoint',
  tag,
  status: 200,
  answer: EndpointAnswer,
});

export const updateProjectEndpoint = defineOperation({
  operationId: 'updateProjectEndpoint',
  method: 'PATCH',
  path,
  summary: 'Change sizes, time-out or settings of an endpoint',
  tag,
  status: 200,
  body: z.object({
    endpoint: z
      .object({
        branch_id: notImplemented,
        ...sizes,
        pooler_enabled: onlyImplemented(false),
        pooler_mode: z.enum(['transaction']).optional(),
        disabled: onlyImplemented(false),
        passwordless_access: onlyImplemented(false),
        name: notImplemented,
      })
      .refine(inOrder, IN_ORDER),
  }),
  answer: EndpointOperations,
});

export const deleteProjectEndpoint = defineOperation({
  operationId: 'deleteProjectEndpoint',
  method: 'DELETE',
  path,
  summary: 'Delete an endpoint',
  tag,
  status: 200,
  absentIsFine: true,
  answer: EndpointOperations,
});

export const startProjectEndpoint = defineOperation({
  operationId: 'startProjectEndpoint',
  method: 'POST',
  path: `${path}/start`,
  summary: 'Start the compute of an endpoint',
  tag,
  status: 200,
  answer: EndpointOperations,
});

export const suspendProjectEndpoint = defineOperation({
  operationId: 'suspendProjectEndpoint',
  method: 'POST',
  path: `${path}/suspend`,
  summary: 'Suspend the compute of an endpoint',
  tag,
  status: 200,
  answer: EndpointOperations,
});

export const restartProjectEndpoint = defineOperation({
  operationId: 'restartProjectEndpoint',
  method: 'POST',
  path: `${path}/restart`,
  summary: 'Suspend and start the compute of an endpoint',
  tag,
  status: 200,
  answer: EndpointOperations,
});
