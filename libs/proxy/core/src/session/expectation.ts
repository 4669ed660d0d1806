/** What the shell needs to know of a status: how to read the client's bytes, how long it may last, what it is called. */
import type { SessionStatus } from './session';

/** `early`: bytes that are kept for later. `none`: the socket is not read. */
export type ClientExpectation = 'startupPacket' | 'message' | 'early' | 'none';

export function expectationOf(status: SessionStatus['status']): ClientExpectation {
  switch (status) {
    case 'negotiating':
    case 'starting':
      return 'startupPacket';
    case 'askingPassword':
    case 'choosingMechanism':
    case 'proving':
      return 'message';
    case 'encrypting':
    case 'open':
    case 'closed':
      return 'none';
    default:
      return 'early';
  }
}

/** The stretches of a handshake that are timed. */
export type HandshakePhase = 'tls' | 'startup' | 'lookup' | 'authentication' | 'wake' | 'connect' | 'login';

export function phaseOf(status: SessionStatus['status']): HandshakePhase | null {
  switch (status) {
    case 'negotiating':
    case 'encrypting':
      return 'tls';
    case 'starting':
    case 'askingPassword':
      return 'startup';
    case 'lookingUp':
      return 'lookup';
    case 'derivingKeys':
    case 'choosingMechanism':
    case 'proving':
      return 'authentication';
    case 'waking':
      return 'wake';
    case 'connecting':
      return 'connect';
    case 'loggingIn':
    case 'preparing':
      return 'login';
    case 'open':
    case 'closed':
      return null;
  }
}

/** The client has proved its password, or never will. */
export const isPastAuthentication = (status: SessionStatus['status']): boolean =>
  ['waking', 'connecting', 'loggingIn', 'preparing', 'open', 'closed'].includes(status);
