/**
 * People's ids as storage's: the tenant of a project, the timeline of a branch.
 *
 * They are hashes, so the mapping needs no table and cannot be lost: whoever knows the branch knows the timeline.
 */
import { TenantId, TimelineId } from '@neon/kernel';
import { createHash } from 'node:crypto';

const ID_SIZE = 16;

export const tenantOf = (projectId: string): TenantId => TenantId.fromBytes(digest(`project ${projectId}`));

export const timelineOf = (branchId: string): TimelineId => TimelineId.fromBytes(digest(`branch ${branchId}`));

const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest().subarray(0, ID_SIZE);

/** In the management APIs of pageservers and safekeepers. */
export const pathOf = ({ projectId, branchId }: { readonly projectId: string; readonly branchId: string }): string =>
  `/v1/tenants/${tenantOf(projectId)}/timelines/${timelineOf(branchId)}`;
