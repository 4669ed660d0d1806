import { z } from 'zod';
import { OperationsAnswer } from './operation';
import { defineOperation } from './operation-definition';
import { Timestamp } from './values';

export const Role = z.object({
  branch_id: z.string(),
  name: z.string(),
  /** Only when it was just made. */
  password: z.string().optional(),
  protected: z.boolean(),
  authentication_method: z.string().optional(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Role = z.infer<typeof Role>;

const RoleAnswer = z.object({ role: Role });
const RoleOperations = RoleAnswer.extend(OperationsAnswer.shape);
export const RolesAnswer = z.object({ roles: z.array(Role) });

const tag = 'Role';
const roles = '/projects/{project_id}/branches/{branch_id}/roles';
const path = `${roles}/{role_name}`;

export const listProjectBranchRoles = defineOperation({
  operationId: 'listProjectBranchRoles',
  method: 'GET',
  path: roles,
  summary: 'List the roles of a branch',
  tag,
  status: 200,
  answer: RolesAnswer,
});

export const createProjectBranchRole = defineOperation({
  operationId: 'createProjectBranchRole',
  method: 'POST',
  path: roles,
  summary: 'Create a role',
  tag,
  status: 201,
  body: z.object({ role: z.object({ name: z.string(), no_login: z.boolean().optional() }) }),
  answer: RoleOperations,
});

export const getProjectBranchRole = defineOperation({
  operationId: 'getProjectBranchRole',
  method: 'GET',
  path,
  summary: 'Get a role',
  tag,
  status: 200,
  answer: RoleAnswer,
});

export const deleteProjectBranchRole = defineOperation({
  operationId: 'deleteProjectBranchRole',
  method: 'DELETE',
  path,
  summary: 'Delete a role',
  tag,
  status: 200,
  absentIsFine: true,
  answer: RoleOperations,
});

export const getProjectBranchRolePassword = defineOperation({
  operationId: 'getProjectBranchRolePassword',
  method: 'GET',
  path: `${path}/reveal_password`,
  summary: 'Show the password of a role',
  tag,
  status: 200,
  answer: z.object({ password: z.string() }),
});

export const resetProjectBranchRolePassword = defineOperation({
  operationId: 'resetProjectBranchRolePassword',
  method: 'POST',
  path: `${path}/reset_password`,
  summary: 'Give a role another password',
  tag,
  status: 200,
  answer: RoleOperations,
});
