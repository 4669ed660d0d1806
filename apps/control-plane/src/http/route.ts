/** Turns an operation of the contract into a route: method, path, status, checks of input, and its place on the OpenAPI page. */
import {
  type ArgumentMetadata,
  Body,
  Delete,
  Get,
  HttpCode,
  Patch,
  type PipeTransform,
  Post,
  Query,
  applyDecorators,
} from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { type ApiOperation as Operation, GeneralError } from '@neon/control-plane-contract';
import { wellFormed } from '@neon/http-api';
import { z } from 'zod';

const METHODS = { GET: Get, POST: Post, PATCH: Patch, DELETE: Delete };

export function Route(operation: Operation): MethodDecorator {
  const { method, path, status, operationId, summary, tag, body, bodyOptional, query, answer, absentIsFine } =
    operation;
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return applyDecorators(
    METHODS[method](path.replace(/\{(\w+)\}/g, ':$1')),
    HttpCode(status),
    ApiOperation({ operationId, summary, tags: [tag] }),
    ...parameters.map((name) => ApiParam({ name, schema: { type: 'string' } })),
    ...queryParameters(query),
    ...(body === undefined ? [] : [ApiBody({ schema: schemaOf(body, 'input'), required: bodyOptional !== true })]),
    ApiResponse({ status, description: summary, schema: schemaOf(answer, 'output') }),
    ...(absentIsFine === true ? [ApiResponse({ status: 204, description: 'There was nothing to delete' })] : []),
    ApiResponse({ status: 'default', description: 'Why not', schema: schemaOf(GeneralError, 'output') }),
  );
}

/** The body, checked; an absent one counts as empty where the operation allows that. */
export const CheckedBody = (operation: Operation): ParameterDecorator =>
  Body(new Check(operation.body, operation.bodyOptional));

export const CheckedQuery = (operation: Operation): ParameterDecorator => Query(new Check(operation.query, undefined));

class Check implements PipeTransform {
  constructor(
    private readonly schema: z.ZodType | undefined,
    private readonly optional: true | undefined,
  ) {}

  /** @throws MalformedRequest */
  transform(value: unknown, _metadata: ArgumentMetadata): unknown {
    return wellFormed(() => (this.schema ?? z.unknown()).parse(value ?? (this.optional === true ? {} : value)));
  }
}

type JsonSchema = Parameters<typeof ApiBody>[0] extends { schema: infer S } ? S : never;

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema & object {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'openapi-3.0' }) as JsonSchema & object;
}

function queryParameters(query: z.ZodType | undefined): MethodDecorator[] {
  if (!(query instanceof z.ZodObject)) return [];
  return Object.entries(query.shape).map(([name, schema]) =>
    ApiQuery({
      name,
      required: !z.safeParse(schema, undefined).success,
      schema: schemaOf(schema as z.ZodType, 'output'),
    }),
  );
}
