/** How every stage ends: it goes on, stays, or refuses the client with one error. */
import { type ErrorResponse, encodeErrorResponse } from '@neon/postgres';
import { type ClientError, clientErrors } from '../client-error';
import type { Session, SessionEffect, SessionSeed, SessionStatus, Step } from './session';

export const advance = (seed: SessionSeed, status: SessionStatus, ...effects: SessionEffect[]): Step => ({
  session: { ...status, seed },
  effects,
});

/** An input that this status has no use for: one that was under way when the status changed. */
export const stay = (session: Session): Step => ({ session, effects: [] });

export const closeSilently = (session: Session, ...effects: SessionEffect[]): Step =>
  advance(session.seed, { status: 'closed' }, ...effects, { kind: 'close' });

function encodeFatal(error: ClientError): Uint8Array {
  const response: ErrorResponse = {
    severity: 'FATAL',
    sqlState: error.sqlState,
    message: error.message,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
  };
  return encodeErrorResponse(response);
}

/** The last word to a client whose commit stopped waiting for its quorum. */
export const COMMIT_IN_DOUBT: Uint8Array = encodeFatal(clientErrors.commitInDoubt);

export function refuse(session: Session, error: ClientError): Step {
  return closeSilently(
    session,
    { kind: 'reportRefusal', code: error.code, message: error.message },
    { kind: 'sendToClient', bytes: encodeFatal(error) },
  );
}
