import { z } from 'zod';
import { Pagination, Timestamp, queryInteger } from './values';
import { defineOperation } from './operation-definition';

export const Operation = z.object({
  id: z.uuid(),
  project_id: z.string(),
  branch_id: z.string().optional(),
  endpoint_id: z.string().optional(),
  action: z.string(),
  status: z.string(),
  error: z.string().optional(),
  failures_count: z.number().int(),
  retry_at: Timestamp.optional(),
  created_at: Timestamp,
  updated_at: Timestamp,
  total_duration_ms: z.number().int(),
});
export type Operation = z.infer<typeof Operation>;

export const OperationsAnswer = z.object({ operations: z.array(Operation) });

const tag = 'Operation';
const OPERATIONS_MAX = 1000;

export const listProjectOperations = defineOperation({
  operationId: 'listProjectOperations',
  method: 'GET',
  path: '/projects/{project_id}/operations',
  summary: 'List operations, newest first',
  tag,
  status: 200,
  query: z.object({
    cursor: z.preprocess((value) => (Array.isArray(value) ? value[0] : value), z.uuid().optional()),
    limit: queryInteger({ min: 1, max: OPERATIONS_MAX }),
  }),
  answer: OperationsAnswer.extend({ pagination: Pagination.optional() }),
});

export const getProjectOperation = defineOperation({
  operationId: 'getProjectOperation',
  method: 'GET',
  path: '/projects/{project_id}/operations/{operation_id}',
  summary: 'Get an operation',
  tag,
  status: 200,
  answer: z.object({ operation: Operation }),
});
