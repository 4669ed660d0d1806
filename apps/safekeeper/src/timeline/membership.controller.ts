import { Body, Controller, HttpCode, Inject, Param, Post, Put, UseGuards } from '@nestjs/common';
import { type AcceptorPosition, MemberRecord, Membership, MembershipRecord } from '@neon/consensus';
import { wellFormed } from '@neon/http-api';
import { Lsn, Term } from '@neon/kernel';
import {
  MembershipConfigure,
  type MembershipPosition,
  TermRaise,
  type TimelineDetail,
  TimelinePull,
  TimelineRemoval,
} from '@neon/safekeeper-contract';
import { SafekeeperNode } from '../node/safekeeper-node';
import { keyOf } from './key';
import { ManagementGuard } from './management.guard';

/** Who keeps a timeline. */
@Controller('v1/tenants/:tenantId/timelines/:timelineId')
@UseGuards(ManagementGuard)
export class MembershipController {
  constructor(@Inject(SafekeeperNode) private readonly node: SafekeeperNode) {}

  @Put('membership')
  async configure(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Body() body: unknown,
  ): Promise<MembershipPosition> {
    const request = wellFormed(() => {
      const wanted = MembershipConfigure.parse(body);
      return { ...wanted, membership: MembershipRecord.parse(wanted.membership), minTerm: Term.of(wanted.minTerm) };
    });
    return show(await this.node.safekeeper.configure(keyOf(tenant, timeline), request));
  }

  @Post('term')
  @HttpCode(200)
  async raiseTerm(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Body() body: unknown,
  ): Promise<MembershipPosition> {
    const { incarnation, minTerm } = wellFormed(() => TermRaise.parse(body));
    const kept = await this.node.safekeeper.kept(keyOf(tenant, timeline), incarnation);
    return show(await kept.configure(kept.state.membership, Term.of(minTerm)));
  }

  @Post('removal')
  @HttpCode(204)
  async remove(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Body() body: unknown,
  ): Promise<void> {
    const request = wellFormed(() => {
      const { incarnation, membership } = TimelineRemoval.parse(body);
      const members = membership.members.map(MemberRecord.parse);
      return { incarnation, membership: Membership.settled(membership.generation, members) };
    });
    await this.node.peers.remove(keyOf(tenant, timeline), request);
  }

  @Post('pull')
  @HttpCode(200)
  async pull(
    @Param('tenantId') tenant: string,
    @Param('timelineId') timeline: string,
    @Body() body: unknown,
  ): Promise<TimelineDetail> {
    const { request, address } = wellFormed(() => {
      const { incarnation, membership, donor } = TimelinePull.parse(body);
      const request = { incarnation, membership: MembershipRecord.parse(membership), donor: MemberRecord.parse(donor) };
      return { request, address: donor };
    });
    return this.node.detail(await this.node.peers.pull(keyOf(tenant, timeline), request, address));
  }
}

const show = ({ membership, term, lastLogTerm, flushLsn }: AcceptorPosition): MembershipPosition => ({
  membership: MembershipRecord.of(membership),
  term,
  lastLogTerm,
  flushLsn: Lsn.format(flushLsn),
});
