import type { ServerResponse } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { Refusal, Unavailable } from '@neon/kernel';
import type { Logger } from '@neon/telemetry';
import { z } from 'zod';

const STATUS_OF_REFUSAL: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  TimelineUnknown: 404,
  TimelineExists: 409,
  WrongIncarnation: 409,
  NotAMember: 409,
  DonorMismatch: 409,
  DonorRefused: 503,
  TimelineDeleted: 410,
  WalTrimmed: 410,
};

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** Every error leaves as `{ code, message }`; one that nobody foresaw is logged, and says nothing of its inside. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { status, code, message } = this.answerTo(error);
    const response = host.switchToHttp().getResponse<ServerResponse>();
    if (response.headersSent) return;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ code, message }));
  }

  private answerTo(error: unknown): Answer {
    if (error instanceof Refusal)
      return { status: STATUS_OF_REFUSAL[error.code] ?? 400, code: error.code, message: error.message };
    if (error instanceof Unavailable) return { status: 503, code: 'StorageUnavailable', message: error.message };
    if (error instanceof z.ZodError) return { status: 400, code: 'MalformedRequest', message: z.prettifyError(error) };
    // The kernel's brands refuse what does not parse: ids in a path, an LSN where no record can end.
    if (error instanceof SyntaxError || error instanceof RangeError)
      return { status: 400, code: 'MalformedRequest', message: error.message };
    if (error instanceof HttpException)
      return {
        status: error.getStatus(),
        code: error.getStatus() === 404 ? 'NotFound' : 'MalformedRequest',
        message: error.message,
      };
    this.logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'request failed');
    return { status: 500, code: 'Internal', message: 'internal error' };
  }
}
