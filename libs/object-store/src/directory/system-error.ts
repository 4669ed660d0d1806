/** What the operating system says when a file cannot be had. */
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';

/** `ENOENT` and the like. */
export const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the disk does not work',
  EROFS: 'the file system is read-only',
  EACCES: 'access is denied',
  EPERM: 'access is denied',
  EMFILE: 'too many files are open',
};

/** Errors of the system as Unavailable, with the place where they happened; others, aborts among them, as they are. */
export function translated(error: unknown, path: string): unknown {
  if (error instanceof Refusal || error instanceof Corrupt || error instanceof Unavailable) return error;
  const code = codeOf(error);
  if (code === undefined || code === 'ABORT_ERR') return error;
  return new Unavailable(`${path}: ${REASONS[code] ?? 'it cannot be used'} (${code})`, { cause: error });
}
