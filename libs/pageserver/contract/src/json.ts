/** JSON forms shared by the schemas of this contract. */
import { z } from 'zod';
import { Lsn, TenantId, TimelineId } from '@neon/kernel';

const parsed = <T>(parse: (text: string) => T) =>
  z.string().transform((text, context): T => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });

/** An LSN as Postgres writes it. */
export const lsnText = z.string().regex(/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/, 'not an LSN');
export const lsn = parsed((text) => Lsn.parse(text));
export const tenantId = parsed((text) => TenantId.parse(text));
export const timelineId = parsed((text) => TimelineId.parse(text));
