import { z } from 'zod';
import { defineOperation } from './operation-definition';
import { queryBoolean, queryText, requiredText } from './values';

export const ConnectionDetails = z.object({
  connection_uri: z.string(),
  connection_parameters: z.object({
    database: z.string(),
    password: z.string(),
    role: z.string(),
    host: z.string(),
    pooler_host: z.string(),
  }),
});
export type ConnectionDetails = z.infer<typeof ConnectionDetails>;

export const getConnectionURI = defineOperation({
  operationId: 'getConnectionURI',
  method: 'GET',
  path: '/projects/{project_id}/connection_uri',
  summary: 'Get a connection string',
  tag: 'Project',
  status: 200,
  query: z.object({
    branch_id: queryText,
    endpoint_id: queryText,
    database_name: requiredText,
    role_name: requiredText,
    pooled: queryBoolean,
  }),
  answer: z.object({ uri: z.string() }),
});
