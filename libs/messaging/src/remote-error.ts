/** How an error travels in a reply: a refusal keeps its code and details; a fault keeps its kind; a bug only says so. */
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import { z } from 'zod';

export const RemoteError = z.object({
  kind: z.enum(['refusal', 'unavailable', 'corrupt', 'internal']),
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()),
});
export type RemoteError = z.infer<typeof RemoteError>;

export function encodeRemoteError(error: unknown): RemoteError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refusal) return { kind: 'refusal', code: error.code, message, details: { ...error.details } };
  if (error instanceof Unavailable) return { kind: 'unavailable', code: 'Unavailable', message, details: {} };
  if (error instanceof Corrupt) return { kind: 'corrupt', code: 'Corrupt', message, details: {} };
  return { kind: 'internal', code: 'Internal', message, details: {} };
}

export function decodeRemoteError(error: RemoteError): Error {
  switch (error.kind) {
    case 'refusal':
      return new Refusal(error.code, error.message, error.details);
    case 'corrupt':
      return new Corrupt(error.message);
    case 'unavailable':
      return new Unavailable(error.message);
    case 'internal':
      return new Unavailable(`the other service failed: ${error.message}`);
  }
}
