import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Refusal } from '@neon/kernel';
import { SafekeeperNode } from '../node/safekeeper-node';

/** Lets bearer tokens through that may see any timeline: of scope `management`, or `storage`. */
@Injectable()
export class PeerGuard implements CanActivate {
  constructor(@Inject(SafekeeperNode) private readonly node: SafekeeperNode) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    const { scope } = await this.node.tokens.verifyBearer(request.headers.authorization);
    if (scope === 'timeline') throw new Refusal('Unauthorized', 'the token is for one timeline alone');
    return true;
  }
}
