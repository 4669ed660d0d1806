import { TenantId, TimelineId } from '@neon/kernel';
import type { TimelineKey } from '@neon/safekeeper-core';

/** The two ids of a path. @throws SyntaxError */
export const keyOf = (tenant: string, timeline: string): TimelineKey => ({
  tenantId: TenantId.parse(tenant),
  timelineId: TimelineId.parse(timeline),
});
