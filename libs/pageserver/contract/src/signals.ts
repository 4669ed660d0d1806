/** Lossy status on core NATS. */
import { defineEvent } from '@neon/kernel';
import { z } from 'zod';

export const PageserverAlive = z.object({
  pageserverId: z.number().int().positive(),
  host: z.string(),
  pagePort: z.number().int(),
  httpPort: z.number().int(),
});
export type PageserverAlive = z.infer<typeof PageserverAlive>;

/** Every 2 s from each pageserver: where it is. */
export const pageserverAlive = defineEvent({
  subject: 'neon.pageserver.node.alive',
  version: 1,
  schema: PageserverAlive,
});
