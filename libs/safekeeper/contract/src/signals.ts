/** Lossy status on core NATS: each one replaces the one before it. */
import { defineEvent } from '@neon/kernel';
import { z } from 'zod';
import { hexId, incarnation, lsnText, port } from './json';

export const SafekeeperAlive = z.object({
  safekeeperId: z.number().int().positive(),
  /** Of its data directory: another one after its loss. See `TimelineCreate`. */
  incarnation,
  host: z.string(),
  proposerPort: port,
  replicationPort: port,
  httpPort: port,
});
export type SafekeeperAlive = z.infer<typeof SafekeeperAlive>;

/** Every 2 s from each safekeeper: where it is. */
export const safekeeperAlive = defineEvent({
  subject: 'neon.safekeeper.node.alive',
  version: 1,
  schema: SafekeeperAlive,
});

export const SafekeeperTimelineStatus = z.object({
  safekeeperId: z.number().int().positive(),
  tenantId: hexId,
  timelineId: hexId,
  term: z.number().int(),
  /** The term of the last record; with `flushLsn` it orders logs. */
  lastLogTerm: z.number().int(),
  flushLsn: lsnText,
  commitLsn: lsnText,
  /** What this safekeeper has heard from the pageserver: no WAL below it will be asked for again. */
  remoteConsistentLsn: lsnText.optional(),
  /** What it has seen in the archive, and whether it is the one that puts it there. */
  archivedLsn: lsnText.optional(),
  archiving: z.boolean().optional(),
  host: z.string(),
  replicationPort: port,
});
export type SafekeeperTimelineStatus = z.infer<typeof SafekeeperTimelineStatus>;

/** For each timeline that has changed, at most every 200 ms; for the others every 5 s. */
export const safekeeperTimelineStatus = defineEvent({
  subject: 'neon.safekeeper.timeline.status',
  version: 1,
  schema: SafekeeperTimelineStatus,
});
