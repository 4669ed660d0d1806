import type { ServerResponse } from 'node:http';
import { Controller, Get, Inject, Param, Query, Res, UseGuards } from '@nestjs/common';
import { wellFormed } from '@neon/http-api';
import { Lsn, Term } from '@neon/kernel';
import { walDigest, walPiece } from '@neon/safekeeper-adapters';
import { type TimelineDetail, type WalDigest, WalRange } from '@neon/safekeeper-contract';
import { SafekeeperNode } from '../node/safekeeper-node';
import { keyOf } from './key';
import { PeerGuard } from './peer.guard';

/** What a timeline holds here. */
@Controller('v1/tenants/:tenantId/timelines/:timelineId')
@UseGuards(PeerGuard)
export class LogController {
  constructor(@Inject(SafekeeperNode) private readonly node: SafekeeperNode) {}

  @Get()
  get(@Param('tenantId') tenant: string, @Param('timelineId') timeline: string): TimelineDetail {
    return this.node.detail(this.node.safekeeper.get(keyOf(tenant, timeline)));
  }

  @Get('wal')
  async wal(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Query() query: unknown,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const bytes = await walPiece(this.node.safekeeper.get(keyOf(tenant, timeline)), rangeIn(query));
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length }).end(bytes);
  }

  @Get('digest')
  async digest(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Query() query: unknown,
  ): Promise<WalDigest> {
    return { sha256: await walDigest(this.node.safekeeper.get(keyOf(tenant, timeline)), rangeIn(query)) };
  }
}

/** @throws MalformedRequest */
const rangeIn = (query: unknown) =>
  wellFormed(() => {
    const { from, to, term } = WalRange.parse(query);
    return { startLsn: Lsn.parse(from), endLsn: Lsn.parse(to), term: term === undefined ? undefined : Term.of(term) };
  });
