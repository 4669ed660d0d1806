import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import { wellFormed } from '@neon/http-api';
import { Lsn, SystemId, TenantId, Term } from '@neon/kernel';
import {
  Chosen,
  TimelineCreate,
  TimelineDelete,
  type TimelineDetail,
  type TimelineList,
} from '@neon/safekeeper-contract';
import { SafekeeperNode } from '../node/safekeeper-node';
import { keyOf } from './key';
import { ManagementGuard } from './management.guard';

@Controller('v1/tenants/:tenantId/timelines')
@UseGuards(ManagementGuard)
export class TimelineController {
  constructor(@Inject(SafekeeperNode) private readonly node: SafekeeperNode) {}

  @Get()
  list(@Param('tenantId') tenant: string): TimelineList {
    const tenantId = wellFormed(() => TenantId.parse(tenant));
    const timelines = this.node.safekeeper.timelines.filter(({ state }) => state.identity.tenantId === tenantId);
    return { timelines: timelines.map((timeline) => this.node.detail(timeline)) };
  }

  @Put(':timelineId')
  async create(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Body() body: unknown,
  ): Promise<TimelineDetail> {
    const key = keyOf(tenant, timeline);
    const creation = wellFormed(() => {
      const { pgMajor, systemId, walSegmentSize, startLsn, ...rest } = TimelineCreate.parse(body);
      const identity = { ...key, pgMajor, systemId: SystemId.parse(systemId), walSegmentSize };
      return { ...rest, identity, startLsn: Lsn.parse(startLsn) };
    });
    return this.node.detail(await this.node.safekeeper.create(creation));
  }

  @Post(':timelineId/chosen')
  @HttpCode(200)
  chosen(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Body() body: unknown,
  ): TimelineDetail {
    const { term, lsn } = wellFormed(() => {
      const chosen = Chosen.parse(body);
      return { term: Term.of(chosen.term), lsn: Lsn.parse(chosen.lsn) };
    });
    const found = this.node.safekeeper.get(keyOf(tenant, timeline));
    found.chosen(term, lsn);
    return this.node.detail(found);
  }

  @Delete(':timelineId')
  @HttpCode(204)
  async delete(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Query() query: unknown,
  ): Promise<void> {
    const { archive } = wellFormed(() => TimelineDelete.parse(query));
    await this.node.safekeeper.delete(keyOf(tenant, timeline), { archive });
  }
}
