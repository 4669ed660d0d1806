/** What a proxy asks of the control plane. */
import { defineRequest } from '@neon/kernel';
import { z } from 'zod';

/**
 * What is needed to authenticate `role` at `endpointId` before the compute is awake.
 *
 * Unknown endpoints are refused with `EndpointNotFound`. An unknown role is not refused: its `verifier` is null and the proxy
 * goes through the exchange to fail it as a wrong password.
 */
export const authenticateEndpoint = defineRequest({
  subject: 'neon.control-plane.endpoint.authenticate',
  version: 1,
  request: z.object({ endpointId: z.string(), role: z.string() }),
  reply: z.object({
    projectId: z.string(),
    branchId: z.string(),
    /** Postgres' verifier text `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. */
    verifier: z.string().nullable(),
    /** CIDR blocks clients may come from; empty: any. */
    allowedIps: z.array(z.string()),
  }),
  timeoutMs: 10_000,
});

/**
 * Makes the endpoint's compute run and answers where. Refusals: `EndpointNotFound`, `EndpointDisabled`, and those of the
 * compute host's start (`QuorumUnavailable`, `PageserverUnavailable`, `TimelineStopped`, `StartFailed`, …) with their messages.
 */
export const wakeEndpoint = defineRequest({
  subject: 'neon.control-plane.endpoint.wake',
  version: 1,
  request: z.object({ endpointId: z.string() }),
  reply: z.object({ computeId: z.string(), host: z.string(), port: z.number().int(), coldStart: z.boolean() }),
  timeoutMs: 60_000,
  repeatMs: 5_000,
});
