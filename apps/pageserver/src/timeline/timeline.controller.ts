import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import { wellFormed } from '@neon/http-api';
import { Lsn, TenantId, TimelineId } from '@neon/kernel';
import {
  type LayerDetail,
  type LsnAt,
  SafekeeperAddress,
  TimelineCreate,
  type TimelineDetail,
  lsnText,
} from '@neon/pageserver-contract';
import { type Timeline, type TimelineName, recordBoundary } from '@neon/pageserver-core';
import { z } from 'zod';
import { PageserverNode } from '../node/pageserver-node';
import { ManagementGuard } from './management.guard';
import { timestampUs } from './timestamp';
import { layerDetails, timelineDetail, timelineRequest } from './timeline-json';

const Safekeepers = z.object({ safekeepers: z.array(SafekeeperAddress).max(16) });
const Timestamp = z.iso.datetime({ offset: true });

interface Path {
  readonly tenantId: string;
  readonly timelineId: string;
}

@Controller('v1/tenants/:tenantId/timelines')
@UseGuards(ManagementGuard)
export class TimelineController {
  constructor(@Inject(PageserverNode) private readonly node: PageserverNode) {}

  @Get()
  async list(@Param('tenantId') tenantId: string): Promise<{ timelines: TimelineDetail[] }> {
    const timelines = this.node.pageserver.ofTenant(wellFormed(() => TenantId.parse(tenantId)));
    return { timelines: await Promise.all(timelines.map(timelineDetail)) };
  }

  @Put(':timelineId')
  async create(@Param() path: Path, @Body() body: unknown): Promise<TimelineDetail> {
    const request = wellFormed(() => timelineRequest(TimelineCreate.parse(body)));
    return timelineDetail(await this.node.pageserver.create(nameIn(path), request));
  }

  @Get(':timelineId')
  detail(@Param() path: Path): Promise<TimelineDetail> {
    return timelineDetail(this.timeline(path));
  }

  @Delete(':timelineId')
  @HttpCode(204)
  async remove(@Param() path: Path): Promise<void> {
    await this.node.pageserver.delete(nameIn(path), (timeline) => this.node.feeds.leave(timeline));
  }

  @Put(':timelineId/safekeepers')
  @HttpCode(204)
  async safekeepers(@Param() path: Path, @Body() body: unknown): Promise<void> {
    const timeline = this.timeline(path);
    await timeline.setSafekeepers(wellFormed(() => Safekeepers.parse(body)).safekeepers);
    await this.node.feeds.follow(timeline);
  }

  @Get(':timelineId/lsn-at')
  async lsnAt(@Param() path: Path, @Query('timestamp') timestamp: unknown): Promise<LsnAt> {
    const atUs = wellFormed(() => timestampUs(Timestamp.parse(timestamp)));
    const { kind, boundary } = await this.timeline(path).lsnAt(atUs);
    return { kind, lsn: Lsn.format(boundary.lsn) };
  }

  @Get(':timelineId/boundary')
  async boundary(@Param() path: Path, @Query('lsn') lsn: unknown): Promise<{ lsn: string }> {
    const timeline = this.timeline(path);
    const wanted = wellFormed(() => Lsn.parse(lsnText.parse(lsn)));
    const at = recordBoundary(wanted, timeline.index.walSegmentSize);
    return { lsn: Lsn.format((await timeline.boundaryAt(at)).lsn) };
  }

  @Post(':timelineId/checkpoint')
  @HttpCode(200)
  async checkpoint(@Param() path: Path): Promise<TimelineDetail> {
    const timeline = this.timeline(path);
    await timeline.writeOut();
    return timelineDetail(timeline);
  }

  @Post(':timelineId/compact')
  @HttpCode(200)
  async compact(@Param() path: Path): Promise<TimelineDetail> {
    const timeline = this.timeline(path);
    await this.node.housekeeping.compact(timeline, { force: true });
    return timelineDetail(timeline);
  }

  @Get(':timelineId/layers')
  layers(@Param() path: Path): { layers: LayerDetail[] } {
    return { layers: layerDetails(this.timeline(path)) };
  }

  private timeline = (path: Path): Timeline => this.node.pageserver.get(nameIn(path));
}

/** @throws MalformedRequest */
const nameIn = ({ tenantId, timelineId }: Path): TimelineName =>
  wellFormed(() => ({ tenantId: TenantId.parse(tenantId), timelineId: TimelineId.parse(timelineId) }));
