import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Get, Req, Res, ServiceUnavailableException } from '@nestjs/common';
import { metricsHandler } from '@neon/telemetry';
import { FrontDoor } from './front-door';

@Controller()
export class FrontDoorController {
  constructor(private readonly frontDoor: FrontDoor) {}

  @Get('healthz')
  health(): { status: 'ok' } {
    if (!this.frontDoor.isReady) throw new ServiceUnavailableException({ code: 'NotReady' });
    return { status: 'ok' };
  }

  @Get('metrics')
  metrics(@Req() request: IncomingMessage, @Res() response: ServerResponse): void {
    metricsHandler(request, response);
  }
}
