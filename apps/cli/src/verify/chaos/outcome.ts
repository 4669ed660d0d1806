/**
 * What a client knows of its transaction when an error ended it.
 *
 *   O1  Before COMMIT was sent, it failed for certain: nothing of it can be kept.
 *   O2  After that, it failed for certain only when the server says that it rolled back: SQLSTATE class 40, without 40003.
 *       Everything else, a lost connection above all, leaves it in doubt.
 */
import type { Fate } from './ledger';

export function fateOf(error: unknown, { commitSent }: { readonly commitSent: boolean }): Fate {
  if (!commitSent) return 'failed';
  const code = sqlstateOf(error);
  return code !== null && code.startsWith('40') && code !== '40003' ? 'failed' : 'in doubt';
}

/** Null: the error is not of the server. */
export const sqlstateOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)
    ? error.code
    : null;
