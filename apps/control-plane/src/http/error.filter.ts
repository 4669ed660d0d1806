/** Every error of the API as `{ code, message, request_id }` and its status. */
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Logger } from '@neon/telemetry';
import { type RequestFailure, failureOf, requestIdOf } from '@neon/http-api';
import { unreachable } from '@neon/kernel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';

/** Refusals by what a caller can do about them; any other refusal is a request that makes no sense (422). */
const STATUS_OF: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  ProjectNotFound: 404,
  BranchNotFound: 404,
  EndpointNotFound: 404,
  RoleNotFound: 404,
  DatabaseNotFound: 404,
  OperationNotFound: 404,
  ApiKeyNotFound: 404,
  PathNotFound: 404,
  BranchNameTaken: 409,
  EndpointExists: 409,
  RoleExists: 409,
  DatabaseExists: 409,
  SafekeepersAway: 409,
  PasswordNotStored: 412,
  NameInvalid: 400,
  NameReserved: 400,
  PointOutOfHistory: 400,
  ProjectBusy: 423,
  EndpointBusy: 423,
  NotImplemented: 501,
};
const UNPROCESSABLE = 422;
/** What a client does well to wait after 423 and 503. */
const RETRY_AFTER_SECONDS = 1;

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<IncomingMessage>();
    const response = http.getResponse<ServerResponse>();
    const requestId = requestIdOf(request);
    const failure = failureOf(error, request, this.logger);
    // Nobody but whoever runs the installation can help where storage or a compute is away.
    if (failure.kind === 'unavailable') this.logger.error({ err: error, requestId }, 'a request failed');
    const { status, code, message } = answerTo(failure);
    if (response.headersSent) return void response.end();
    response.statusCode = status;
    if (status === 423 || status === 503) response.setHeader('Retry-After', RETRY_AFTER_SECONDS);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.end(JSON.stringify({ request_id: requestId, code, message }));
  }
}

function answerTo(failure: RequestFailure): Answer {
  switch (failure.kind) {
    case 'refused':
      return { ...failure, status: STATUS_OF[failure.code] ?? UNPROCESSABLE, code: constantCase(failure.code) };
    case 'malformed':
      if (failure.cause instanceof z.ZodError) return invalid(failure.cause);
      return { ...failure, code: 'INVALID_REQUEST', message: `invalid request: ${failure.message}` };
    case 'unavailable':
      return { ...failure, status: 503, code: 'UNAVAILABLE' };
    case 'corrupt':
    case 'unexpected':
      return { status: 500, code: 'INTERNAL', message: 'internal error: quote the request id when you report it' };
    default:
      return unreachable(failure);
  }
}

function invalid({ issues }: z.ZodError): Answer {
  const missing = issues.find((issue) => issue.code === 'custom' && issue.params?.['notImplemented'] === true);
  if (missing !== undefined)
    return { status: 501, code: 'NOT_IMPLEMENTED', message: `${missing.path.join('.')}: ${missing.message}` };
  const list = issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  return { status: 400, code: 'INVALID_REQUEST', message: `invalid request: ${list.join('; ')}` };
}

/** @example constantCase('BranchNameTaken') // 'BRANCH_NAME_TAKEN' */
const constantCase = (code: string): string => code.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase();
