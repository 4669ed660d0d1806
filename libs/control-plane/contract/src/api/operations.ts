/** Every operation of the public API that this control plane carries out. */
import * as account from './account';
import * as branch from './branch';
import * as connection from './connection';
import * as database from './database';
import * as endpoint from './endpoint';
import * as operation from './operation';
import type { ApiOperation } from './operation-definition';
import * as project from './project';
import * as role from './role';

const modules = [project, connection, branch, endpoint, database, role, operation, account];

const isOperation = (value: unknown): value is ApiOperation =>
  typeof value === 'object' && value !== null && 'operationId' in value;

export const OPERATIONS: readonly ApiOperation[] = modules.flatMap((module) =>
  Object.values<unknown>({ ...module }).filter(isOperation),
);
