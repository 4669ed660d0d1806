/** An operation of the public API, as data: the routes, the checks of input and the OpenAPI page are made from it. */
import { z } from 'zod';

export interface ApiOperation {
  readonly operationId: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api/v2`, with `{parameters}`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly status: 200 | 201;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly bodyOptional?: true;
  readonly answer: z.ZodType;
  /** Also answers 204 without a body, when what it deletes is not there. */
  readonly absentIsFine?: true;
}

/** Keeps the exact types of its schemas. */
export const defineOperation = <const T extends ApiOperation>(operation: T): T => operation;
