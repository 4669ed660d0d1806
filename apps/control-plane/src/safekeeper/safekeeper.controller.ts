import { Body, Controller, Get, Param, Put, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type ProjectSafekeepers, type SafekeeperList, SafekeeperSet } from '@neon/control-plane-contract';
import {
  type By as Origin,
  type Project,
  liveProject,
  projectDecider,
  readTimelineMembers,
} from '@neon/control-plane-core';
import { MemberRecord } from '@neon/consensus';
import { wellFormed } from '@neon/http-api';
import { ApiKeyGuard } from '../http/api-key.guard';
import { By } from '../http/request';
import { ControlPlaneNode } from '../node/control-plane-node';
import * as show from './rendering';

@ApiExcludeController()
@UseGuards(ApiKeyGuard)
@Controller('operator/v1')
export class SafekeeperController {
  constructor(private readonly node: ControlPlaneNode) {}

  @Get('safekeepers')
  list(): SafekeeperList {
    const nodes = this.node.get('nodes');
    return { safekeepers: nodes.allSafekeepers.map((each) => show.safekeeper(each, nodes.isAlive(each.safekeeperId))) };
  }

  @Get('projects/:project_id/safekeepers')
  async get(@Param('project_id') projectId: string): Promise<ProjectSafekeepers> {
    return this.show(liveProject(await this.node.get('handler').state(projectDecider, projectId)));
  }

  @Put('projects/:project_id/safekeepers')
  async set(
    @Param('project_id') projectId: string,
    @Body() body: unknown,
    @By() by: Origin,
  ): Promise<ProjectSafekeepers> {
    const { safekeeper_ids: ids } = wellFormed(() => SafekeeperSet.parse(body));
    await this.node.get('safekeeperSets').change(projectId, ids, by);
    this.node.get('care').changed();
    return this.get(projectId);
  }

  private async show(project: Project): Promise<ProjectSafekeepers> {
    const { projectId, branches, placement, wantedMembers } = project;
    const care = this.node.get('care');
    const shown = branches.map(async ({ branchId }) => {
      const members = await readTimelineMembers(this.node.get('handler'), { projectId, branchId });
      const founders = (await this.node.get('founders').of(branchId)).map((each) => MemberRecord.parse(each));
      return show.branchSafekeepers({ branchId, members, founders, wantedMembers, outcome: care.outcomeOf(branchId) });
    });
    return {
      safekeeper_ids: placement?.safekeeperIds ?? [],
      branches: placement === null ? [] : await Promise.all(shown),
    };
  }
}
