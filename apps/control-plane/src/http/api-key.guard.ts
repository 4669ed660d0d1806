import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { ApiKeys } from '@neon/control-plane-adapters';
import { Refusal } from '@neon/kernel';
import type { IncomingMessage } from 'node:http';
import { noteCaller } from './request';

/** Lets in who brings a valid API key. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(private readonly keys: ApiKeys) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    const match = /^Bearer\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '');
    if (match?.[1] === undefined)
      throw new Refusal('Unauthorized', 'authentication required: send "Authorization: Bearer <API key>"');
    const { id } = await this.keys.verify(match[1], request.socket.remoteAddress ?? '');
    noteCaller(request, id);
    return true;
  }
}
