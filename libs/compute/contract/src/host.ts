/**
 * Requests to a compute host (the last word of the subject is the host id) and what it reports.
 *
 * Start, apply and stop are idempotent: starting a running compute with the same spec answers with its address; stopping
 * one that is not there succeeds.
 *
 * Refusal codes: `ComputeFenced` (a newer compute owns the timeline), `QuorumUnavailable` (fewer than a majority of
 * safekeepers answered), `PageserverUnavailable`, `TimelineStopped` (ingest met a record it cannot apply), `HistoryDiverged`
 * (the pageserver has WAL beyond the elected end: safekeepers lost what they had confirmed, and a person must look), `StartFailed`
 * (Postgres did not come up; details.log holds its last lines), `SpecRejected` (SQL of roles or databases failed),
 * `NoDistribution` (this host has no such Postgres), `ComputeStopping` (a stop won over this start), `HostStopping` (ask
 * another host).
 */
import { defineEvent, defineRequest } from '@neon/kernel';
import { z } from 'zod';
import { ComputeSpec } from './spec';

export const ComputeAddress = z.object({ host: z.string(), port: z.number().int() });
export type ComputeAddress = z.infer<typeof ComputeAddress>;

export const ComputeState = z.object({
  computeId: z.string(),
  tenantId: z.string(),
  timelineId: z.string(),
  status: z.enum(['starting', 'running', 'stopping']),
  address: ComputeAddress.nullable(),
  /** Milliseconds since the Unix epoch of the last client activity: a session that is not idle counts as now. */
  lastActiveAt: z.number(),
  sessions: z.number().int(),
});
export type ComputeState = z.infer<typeof ComputeState>;

export const startCompute = defineRequest({
  subject: 'neon.compute.compute.start',
  version: 1,
  request: z.object({ spec: ComputeSpec }),
  reply: z.object({ address: ComputeAddress, startLsn: z.string(), term: z.number() }),
  timeoutMs: 60_000,
  repeatMs: 5_000,
});

/** Roles and databases of a running compute. `DropRefused`: all is done but drops that Postgres refuses, which are not to be tried again. */
export const applySpec = defineRequest({
  subject: 'neon.compute.compute.apply',
  version: 1,
  request: z.object({ spec: ComputeSpec }),
  reply: z.object({ applied: z.boolean() }),
  timeoutMs: 60_000,
  repeatMs: 5_000,
});

export const stopCompute = defineRequest({
  subject: 'neon.compute.compute.stop',
  version: 1,
  /** `immediate`: kill it without a shutdown checkpoint. */
  request: z.object({ computeId: z.string(), mode: z.enum(['fast', 'immediate']) }),
  /** End of the WAL the quorum holds; null when the compute was not running here. */
  reply: z.object({ finalLsn: z.string().nullable() }),
  timeoutMs: 120_000,
  repeatMs: 5_000,
});

export const HostAlive = z.object({
  hostId: z.string(),
  computes: z.array(ComputeState),
});
export type HostAlive = z.infer<typeof HostAlive>;

/** What `GET /v1/status` of a host answers. */
export const HostStatus = z.object({ computes: z.array(ComputeState) });
export type HostStatus = z.infer<typeof HostStatus>;

/** Every second from each host, on core NATS: it lives, and what runs on it. */
export const hostAlive = defineEvent({ subject: 'neon.compute.host.alive', version: 1, schema: HostAlive });

export const ComputeStopped = z.object({
  computeId: z.string(),
  hostId: z.string(),
  reason: z.enum(['requested', 'crashed', 'fenced', 'host-stopped']),
  message: z.string(),
});

/** Durable fact: a compute ended, asked for or not. */
export const computeStopped = defineEvent({
  subject: 'neon.compute.compute.stopped',
  version: 1,
  schema: ComputeStopped,
});
