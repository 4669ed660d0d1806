import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Refusal } from '@neon/kernel';
import { PageserverNode } from '../node/pageserver-node';

/** Lets a bearer token of scope `management` through, and nothing else. */
@Injectable()
export class ManagementGuard implements CanActivate {
  constructor(@Inject(PageserverNode) private readonly node: PageserverNode) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    const claims = await this.node.tokens.verifyBearer(request.headers.authorization);
    if (claims.scope !== 'management') throw new Refusal('Unauthorized', 'the token is not for management');
    return true;
  }
}
