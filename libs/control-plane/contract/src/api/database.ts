import { z } from 'zod';
import { OperationsAnswer } from './operation';
import { defineOperation } from './operation-definition';
import { Timestamp } from './values';

export const Database = z.object({
  id: z.number().int(),
  branch_id: z.string(),
  name: z.string(),
  owner_name: z.string(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Database = z.infer<typeof Database>;

const DatabaseAnswer = z.object({ database: Database });
const DatabaseOperations = DatabaseAnswer.extend(OperationsAnswer.shape);
export const DatabasesAnswer = z.object({ databases: z.array(Database) });

const tag = 'Database';
const databases = '/projects/{project_id}/branches/{branch_id}/databases';
const path = `${databases}/{database_name}`;

export const listProjectBranchDatabases = defineOperation({
  operationId: 'listProjectBranchDatabases',
  method: 'GET',
  path: databases,
  summary: 'List the databases of a branch',
  tag,
  status: 200,
  answer: DatabasesAnswer,
});

export const createProjectBranchDatabase = defineOperation({
  operationId: 'createProjectBranchDatabase',
  method: 'POST',
  path: databases,
  summary: 'Create a database',
  tag,
  status: 201,
  body: z.object({ database: z.object({ name: z.string(), owner_name: z.string() }) }),
  answer: DatabaseOperations,
});

export const getProjectBranchDatabase = defineOperation({
  operationId: 'getProjectBranchDatabase',
  method: 'GET',
  path,
  summary: 'Get a database',
  tag,
  status: 200,
  answer: DatabaseAnswer,
});

export const deleteProjectBranchDatabase = defineOperation({
  operationId: 'deleteProjectBranchDatabase',
  method: 'DELETE',
  path,
  summary: 'Delete a database',
  tag,
  status: 200,
  absentIsFine: true,
  answer: DatabaseOperations,
});
