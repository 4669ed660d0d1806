/** JSON forms of storage values. */
import { z } from 'zod';

/** An LSN as Postgres writes it: `0/16B3748`. */
export const lsnText = z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i, 'not an LSN');
export const hexId = z.string().regex(/^[0-9a-f]{32}$/, 'not 32 hex digits');
export const systemIdText = z.string().regex(/^\d{1,20}$/, 'not a system id');
export const port = z.number().int().min(1).max(65_535);
/** The life of a safekeeper's data directory. */
export const incarnation = z.uuid();
