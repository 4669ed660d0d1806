import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { answerError } from '@neon/http-api';
import type { Logger } from '@neon/telemetry';

const STATUS_OF_REFUSAL: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  TimelineUnknown: 404,
  TimelineExists: 409,
  WrongIncarnation: 409,
  NotAMember: 409,
  MembershipSuperseded: 409,
  DonorMismatch: 409,
  DonorRefused: 503,
  TimelineDeleted: 410,
  WalTrimmed: 410,
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
