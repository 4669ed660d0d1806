/** What is left under `/api/v2`: known operations that are not carried out, and paths nobody knows. */
import { All, Controller, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { NOT_IMPLEMENTED } from '@neon/control-plane-contract';
import { Refusal } from '@neon/kernel';
import type { IncomingMessage } from 'node:http';

const KNOWN = NOT_IMPLEMENTED.map(({ method, path, operationId }) => ({
  method,
  operationId,
  pattern: new RegExp(`^/api/v2${path.replace(/\{\w+\}/g, '[^/]+')}/?$`),
}));

@ApiExcludeController()
@Controller('api/v2')
export class NotImplementedController {
  @All('*path')
  refuse(@Req() { method = '', url = '' }: IncomingMessage): never {
    const [path = ''] = url.split('?');
    const known = KNOWN.find((each) => each.method === method && each.pattern.test(path));
    if (known === undefined) throw new Refusal('PathNotFound', `no operation ${method} ${path}`);
    throw new Refusal('NotImplemented', `${known.operationId} is not implemented`);
  }
}
