/** What a compute shall be: everything a host needs to start it, and nothing it must look up. */
import { z } from 'zod';

export const ComputeRole = z.object({
  name: z.string(),
  /** Postgres' own verifier text `SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`; null: no password login. */
  verifier: z.string().nullable(),
});
export type ComputeRole = z.infer<typeof ComputeRole>;

export const ComputeDatabase = z.object({ name: z.string(), owner: z.string() });
export type ComputeDatabase = z.infer<typeof ComputeDatabase>;

/** A safekeeper as one life of its disk. */
const Member = z.object({ safekeeperId: z.number().int().positive(), incarnation: z.string() });

export const ComputeSpec = z.object({
  version: z.literal(1),
  /** The endpoint this compute serves: its name on the host. */
  computeId: z.string(),
  tenantId: z.string(),
  timelineId: z.string(),
  pgMajor: z.number().int(),
  /** As the pageserver's `TimelineDetail` has them: safekeepers compare both before a byte of WAL moves. */
  systemId: z.string(),
  walSegmentSize: z.number().int(),
  pageserver: z.object({ host: z.string(), pagePort: z.number().int() }),
  /**
   * The membership of the timeline, as far as it is known: its generation, and the members that vote; `newMembers` too while it is
   * being changed. Without `members` it is the founding one, of all safekeepers below.
   */
  membershipGeneration: z.number().int(),
  members: z.array(Member).optional(),
  newMembers: z.array(Member).optional(),
  /** Where everybody in it is. */
  safekeepers: z
    .array(
      z.object({
        id: z.number().int(),
        host: z.string(),
        proposerPort: z.number().int(),
        replicationPort: z.number().int(),
      }),
    )
    .refine((set) => new Set(set.map(({ id }) => id)).size === set.length, 'safekeepers have different ids'),
  /** Service token for pageserver and safekeepers, scope `timeline`. */
  token: z.string(),
  /** Roles and databases that must exist; ones not named here are left alone, `dropped` ones are removed. */
  roles: z.array(ComputeRole),
  databases: z.array(ComputeDatabase),
  dropped: z.object({ roles: z.array(z.string()), databases: z.array(z.string()) }),
  /** Settings for postgresql.conf, by name. */
  settings: z.record(z.string(), z.string()),
});
export type ComputeSpec = z.infer<typeof ComputeSpec>;
