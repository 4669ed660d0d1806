/**
 * The handshake: what a client connection does next.
 *
 *   const step = handshake(rules);
 *   const { session, effects } = step(beginSession(seed), { kind: 'startupPacket', packet });
 *
 * `step` is a function of its arguments and never throws on what a peer sent. Effects are performed one by one and in
 * order. Promises H1…H9 stand with the stages that keep them; here are those that hold in all of them:
 *
 *   H10  A closed session stays closed: whatever was under way is ignored.
 *   H11  A client that breaks the protocol is told so and closed; so is one that takes too long.
 */
import { ProtocolViolation } from '@neon/postgres';
import { unreachable } from '@neon/kernel';
import { clientErrors } from '../client-error';
import { chooseMechanism, compareKeys, lookUp, prove, takePassword } from './client-authentication';
import { encrypt, negotiate, start } from './client-startup';
import { connect, logIn, prepare, wake } from './compute-connection';
import { closeSilently, refuse, stay } from './outcome';
import type { HandshakeRules, Session, SessionInput, SessionSeed, Step } from './session';

export const beginSession = (seed: SessionSeed): Session => ({ status: 'negotiating', seed });

export const handshake =
  (rules: HandshakeRules) =>
  (session: Session, input: SessionInput): Step => {
    if (session.status === 'closed' || session.status === 'open') return stay(session);
    switch (input.kind) {
      case 'clientClosed':
        return closeSilently(session);
      case 'timedOut':
        return timeOut(session);
      case 'clientViolation':
        return violate(session, input.violation);
      default:
        return withoutThrowing(session, () => stage(rules, session, input));
    }
  };

type Running = Exclude<Session, { status: 'closed' | 'open' }>;

function stage(rules: HandshakeRules, session: Running, input: SessionInput): Step {
  switch (session.status) {
    case 'negotiating':
      return negotiate(session, input);
    case 'encrypting':
      return encrypt(session, input);
    case 'starting':
      return start(rules, session, input);
    case 'askingPassword':
      return takePassword(session, input);
    case 'lookingUp':
      return lookUp(rules, session, input);
    case 'derivingKeys':
      return compareKeys(rules, session, input);
    case 'choosingMechanism':
      return chooseMechanism(session, input);
    case 'proving':
      return prove(rules, session, input);
    case 'waking':
      return wake(session, input);
    case 'connecting':
      return connect(session, input);
    case 'loggingIn':
      return logIn(rules, session, input);
    case 'preparing':
      return prepare(session, input);
    default:
      return unreachable(session);
  }
}

function withoutThrowing(session: Running, run: () => Step): Step {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error;
    return violate(session, error);
  }
}

/** Whose bytes were wrong follows from whom we listen to. */
function violate(session: Running, { message, sqlState }: ProtocolViolation): Step {
  return session.status === 'loggingIn' || session.status === 'preparing'
    ? refuse(session, clientErrors.computeUnreachable(message))
    : refuse(session, { code: 'ProtocolViolation', sqlState, message });
}

function timeOut(session: Running): Step {
  switch (session.status) {
    case 'negotiating':
    case 'encrypting':
      return closeSilently(session, {
        kind: 'reportRefusal',
        code: 'AuthenticationTimedOut',
        message: 'no TLS in time',
      });
    case 'waking':
    case 'connecting':
    case 'loggingIn':
    case 'preparing':
      return refuse(session, clientErrors.computeUnreachable('it did not become ready in time'));
    default:
      return refuse(session, clientErrors.authenticationTimedOut);
  }
}
