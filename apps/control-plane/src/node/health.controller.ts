import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { metricsHandler } from '@neon/telemetry';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ControlPlaneNode } from './control-plane-node';

@ApiExcludeController()
@Controller()
export class HealthController {
  constructor(private readonly node: ControlPlaneNode) {}

  @Get('healthz')
  async health(@Res() response: ServerResponse): Promise<void> {
    const healthy = await this.node.check().then(
      () => true,
      () => false,
    );
    response.statusCode = healthy ? 200 : 503;
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ status: healthy ? 'ok' : 'unavailable' }));
  }

  @Get('metrics')
  metrics(@Req() request: IncomingMessage, @Res() response: ServerResponse): void {
    metricsHandler(request, response);
  }
}
