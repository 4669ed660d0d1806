import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Get, Inject, Req, Res, UseGuards } from '@nestjs/common';
import type { SafekeeperStatus } from '@neon/safekeeper-contract';
import { metricsHandler } from '@neon/telemetry';
import { ManagementGuard } from '../timeline/management.guard';
import { SafekeeperNode } from './safekeeper-node';

/** Shown to operators; set when a release is cut. */
const VERSION = '0.1.0';

@Controller()
export class HealthController {
  constructor(@Inject(SafekeeperNode) private readonly node: SafekeeperNode) {}

  @Get('healthz')
  health(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('metrics')
  metrics(@Req() request: IncomingMessage, @Res() response: ServerResponse): void {
    metricsHandler(request, response);
  }

  @Get('v1/status')
  @UseGuards(ManagementGuard)
  status(): SafekeeperStatus {
    return { ...this.node.status(), version: VERSION };
  }
}
