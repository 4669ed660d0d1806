import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { answerError } from '@neon/http-api';
import type { Logger } from '@neon/telemetry';

const STATUS_OF_REFUSAL: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  UnknownTimeline: 404,
  NoTemplate: 404,
  TimelineExists: 409,
  TimelineHasChildren: 412,
  LsnNotReached: 425,
  Overloaded: 503,
};

@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const exchange = { request: http.getRequest<IncomingMessage>(), response: http.getResponse<ServerResponse>() };
    answerError(error, exchange, { logger: this.logger, statusOf: STATUS_OF_REFUSAL });
  }
}
