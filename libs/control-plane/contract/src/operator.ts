/**
 * What operators of an installation ask the control plane: JSON over HTTP beside the public API, with an API key, errors as there.
 *
 *   GET /operator/v1/safekeepers                         → SafekeeperList
 *   GET /operator/v1/projects/:projectId/safekeepers     → ProjectSafekeepers; 404 `PROJECT_NOT_FOUND`
 *   PUT /operator/v1/projects/:projectId/safekeepers     SafekeeperSet → ProjectSafekeepers
 *       who shall keep the project: recorded at once, and brought about branch by branch while everything runs; asking for it twice
 *       is harmless, asking for another set gives up what is not done yet. Safekeepers are taken as the disks they are now: to ask
 *       for one that lost its disk makes the new disk a member. 422 `SAFEKEEPER_UNKNOWN`, `SAFEKEEPER_SET_INVALID`; 409
 *       `SAFEKEEPERS_AWAY`: half of the set or more does not report, and nothing could be committed
 */
import { z } from 'zod';

const SafekeeperId = z.number().int().positive();
/** Founders are not listed as disks before the first change. */
const Member = z.object({ safekeeper_id: SafekeeperId, incarnation: z.string().optional() });

export const SafekeeperList = z.object({
  safekeepers: z.array(
    z.object({
      id: SafekeeperId,
      /** The life of its data directory: another one after its loss. */
      incarnation: z.string(),
      host: z.string(),
      http_port: z.number().int(),
      /** Whether it has reported in the last ten seconds. */
      alive: z.boolean(),
      seen_at: z.iso.datetime().optional(),
    }),
  ),
});
export type SafekeeperList = z.infer<typeof SafekeeperList>;

export const SafekeeperSet = z.object({ safekeeper_ids: z.array(SafekeeperId).min(1).max(15) });
export type SafekeeperSet = z.infer<typeof SafekeeperSet>;

export const BranchSafekeepers = z.object({
  branch_id: z.string(),
  /** Absent until the first change: then the members are the founders. */
  generation: z.number().int().optional(),
  members: z.array(Member),
  /** While it changes: who shall be the members. */
  new_members: z.array(Member).optional(),
  /** Who was a member, and has not confirmed yet that nothing of the branch is left with it; absent when there is nobody. */
  former_members: z.array(Member).optional(),
  /** Whether it is kept by whom it shall be, as far as this is known. */
  complete: z.boolean(),
  /** What the change waits for. */
  waiting_for: z.array(z.string()),
});
export type BranchSafekeepers = z.infer<typeof BranchSafekeepers>;

export const ProjectSafekeepers = z.object({
  safekeeper_ids: z.array(SafekeeperId),
  branches: z.array(BranchSafekeepers),
});
export type ProjectSafekeepers = z.infer<typeof ProjectSafekeepers>;
