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
  /** Of the safekeeper set below. */
  membershipGeneration: z.number().int(),
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
