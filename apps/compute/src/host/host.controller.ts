import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Get, Req, Res, ServiceUnavailableException } from '@nestjs/common';
import type { HostStatus } from '@neon/compute-contract';
import { metricsHandler } from '@neon/telemetry';
import { HostService } from './host-service';

@Controller()
export class HostController {
  constructor(private readonly host: HostService) {}

  @Get('healthz')
  health(): { status: 'ok' } {
    if (!this.host.isConnected) throw new ServiceUnavailableException({ code: 'BusUnavailable' });
    return { status: 'ok' };
  }

  @Get('metrics')
  metrics(@Req() request: IncomingMessage, @Res() response: ServerResponse): void {
    metricsHandler(request, response);
  }

  @Get('v1/status')
  status(): HostStatus {
    return { computes: this.host.states() };
  }
}
