import { wellFormed } from '@neon/http-api';
import { TenantId, TimelineId } from '@neon/kernel';
import type { TimelineKey } from '@neon/safekeeper-core';

/** The two ids of a path. @throws MalformedRequest */
export const keyOf = (tenant: string, timeline: string): TimelineKey =>
  wellFormed(() => ({ tenantId: TenantId.parse(tenant), timelineId: TimelineId.parse(timeline) }));
