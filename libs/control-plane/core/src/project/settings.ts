/** Settings of projects and endpoints, as they are stored. */
import { z } from 'zod';

export const EndpointKind = z.enum(['read_write', 'read_only']);
export type EndpointKind = z.infer<typeof EndpointKind>;

export const EndpointSettings = z.object({
  autoscalingLimitMinCu: z.number(),
  autoscalingLimitMaxCu: z.number(),
  /** 0: the default time-out; -1: never. */
  suspendTimeoutSeconds: z.number().int(),
  /** Postgres settings by name. */
  pgSettings: z.record(z.string(), z.string()),
});
export type EndpointSettings = z.infer<typeof EndpointSettings>;

export const AllowedIps = z.object({ ips: z.array(z.string()), protectedBranchesOnly: z.boolean() });
export type AllowedIps = z.infer<typeof AllowedIps>;

/** A safekeeper as one life of its disk. */
export const MemberEntry = z.object({ safekeeperId: z.number().int(), incarnation: z.string() });
export type MemberEntry = z.infer<typeof MemberEntry>;

/** Where a project's data lives: chosen when its first branch is made. Its safekeepers may be changed. */
export const Placement = z.object({ pageserverId: z.number().int(), safekeeperIds: z.array(z.number().int()) });
export type Placement = z.infer<typeof Placement>;

export const DEFAULT_ENDPOINT_SETTINGS: EndpointSettings = {
  autoscalingLimitMinCu: 0.25,
  autoscalingLimitMaxCu: 0.25,
  suspendTimeoutSeconds: 0,
  pgSettings: {},
};

/** Seven days. */
export const HISTORY_RETENTION_SECONDS = 604_800;
