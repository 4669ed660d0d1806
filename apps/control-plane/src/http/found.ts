/** Rows that must be there: what a path names, or 404. */
import { type BranchRow, type EndpointRow, type ProjectRow, ReadModel } from '@neon/control-plane-adapters';
import { Injectable } from '@nestjs/common';
import { Refusal } from '@neon/kernel';

@Injectable()
export class Found {
  constructor(readonly model: ReadModel) {}

  async project(projectId: string): Promise<ProjectRow> {
    return existing(await this.model.project(projectId), 'Project');
  }

  async branch(projectId: string, branchId: string): Promise<BranchRow> {
    const [, branch] = await Promise.all([this.project(projectId), this.model.branch(projectId, branchId)]);
    return existing(branch, 'Branch');
  }

  async endpoint(projectId: string, endpointId: string): Promise<EndpointRow> {
    const [, endpoint] = await Promise.all([this.project(projectId), this.model.endpoint(projectId, endpointId)]);
    return existing(endpoint, 'Endpoint');
  }
}

/** @throws Refusal `<Noun>NotFound` */
export function existing<T>(row: T | null | undefined, noun: string): T {
  if (row === null || row === undefined) throw new Refusal(`${noun}NotFound`, `${noun.toLowerCase()} not found`);
  return row;
}
