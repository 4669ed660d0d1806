/**
 * One client connection until its bytes flow freely: what is known of it, what may happen to it, what it asks for.
 *
 *   negotiating ─► encrypting ─► starting ─┬─► askingPassword ─► lookingUp ─► derivingKeys ─┐
 *                                          └─► lookingUp ─► choosingMechanism ─► proving ───┤
 *                                                                                           ▼
 *   open ◄─ preparing ◄─ loggingIn ◄─ connecting ◄─ waking ◄─────────────────────────────(proved)
 *                            └────────────┴───────────► waking, when the compute went away meanwhile
 *
 * Any status may become `closed`. `open` and `closed` are final here: bytes and sockets are the shell's.
 */
import type {
  CancelKey,
  ProtocolViolation,
  ScramCrypto,
  ScramKeys,
  ScramServerExchange,
  ScramVerifier,
  StartupPacket,
  StartupParameter,
  WireMessage,
} from '@neon/postgres';
import type { AwakeCompute, EndpointCredentials } from '../control-plane';

/** What is the same for every session of a proxy. */
export interface HandshakeRules {
  readonly crypto: ScramCrypto;
  /** Suffixes of our host names, lower case: `localhost` for `ep-….localhost`. */
  readonly domains: readonly string[];
  /** Makes up a stable salt for roles that do not exist; the same on every proxy with the same TLS key. */
  readonly mockSecret: Uint8Array;
}

/** What a session is born with: its chance is an argument. */
export interface SessionSeed {
  /** Without an IPv6 zone, and IPv4 in its own form. */
  readonly clientAddress: string;
  /** Printable, without a comma. */
  readonly serverNonce: string;
  readonly computeNonce: string;
  /** The secret half of the cancel key that the client gets. */
  readonly cancelSecret: number;
  /** The proxy has no room for this session: it is told so as soon as it can hear it. */
  readonly isOverLimit: boolean;
}

export interface TlsChannel {
  readonly serverName: string | null;
  /** Hash of our certificate (tls-server-end-point); null: it has none that RFC 5929 defines. */
  readonly certificateHash: Uint8Array | null;
  /** TLS began without SSLRequest. */
  readonly isDirect: boolean;
  readonly alpn: string | null;
}

/** What the client asked for in its startup packet. */
export interface ClientRequest {
  readonly role: string;
  readonly parameters: readonly StartupParameter[];
  readonly certificateHash: Uint8Array | null;
}

export interface Target extends ClientRequest {
  readonly endpointId: string;
}

/** A client that has proved to know the password. */
export interface ProvedClient extends Target {
  readonly keys: ScramKeys;
}

/** How far the log-in to the compute has come. */
export type LoginStage =
  | { readonly kind: 'expectMechanisms' }
  | { readonly kind: 'expectChallenge'; readonly clientNonce: string; readonly bare: string }
  | { readonly kind: 'expectSignature'; readonly serverSignature: Uint8Array }
  | { readonly kind: 'expectOk' };

export type SessionStatus =
  | { readonly status: 'negotiating' }
  | { readonly status: 'encrypting' }
  | { readonly status: 'starting'; readonly channel: TlsChannel }
  | { readonly status: 'askingPassword'; readonly request: ClientRequest }
  | { readonly status: 'lookingUp'; readonly target: Target; readonly password: string | null }
  | {
      readonly status: 'derivingKeys';
      readonly target: Target;
      readonly verifier: ScramVerifier;
      readonly isDoomed: boolean;
    }
  | {
      readonly status: 'choosingMechanism';
      readonly target: Target;
      readonly verifier: ScramVerifier;
      readonly isDoomed: boolean;
    }
  | { readonly status: 'proving'; readonly target: Target; readonly exchange: ScramServerExchange }
  | { readonly status: 'waking'; readonly client: ProvedClient; readonly attempt: number }
  | {
      readonly status: 'connecting';
      readonly client: ProvedClient;
      readonly attempt: number;
      readonly compute: AwakeCompute;
    }
  | {
      readonly status: 'loggingIn';
      readonly client: ProvedClient;
      readonly attempt: number;
      readonly compute: AwakeCompute;
      readonly stage: LoginStage;
    }
  | { readonly status: 'preparing'; readonly client: ProvedClient; readonly compute: AwakeCompute }
  | { readonly status: 'open'; readonly client: ProvedClient; readonly compute: AwakeCompute }
  | { readonly status: 'closed' };

export type Session = SessionStatus & { readonly seed: SessionSeed };
export type SessionIn<S extends SessionStatus['status']> = Extract<SessionStatus, { status: S }> & {
  readonly seed: SessionSeed;
};

/** Why a question to the control plane failed. */
export type Failure =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

export type SessionInput =
  /** `isFollowed`: the client sent more, without waiting for an answer. */
  | { readonly kind: 'startupPacket'; readonly packet: StartupPacket; readonly isFollowed: boolean }
  /** A TLS ClientHello came in place of a startup packet. */
  | { readonly kind: 'directTls' }
  | { readonly kind: 'tlsEstablished'; readonly channel: TlsChannel }
  | { readonly kind: 'clientMessage'; readonly message: WireMessage }
  | { readonly kind: 'clientViolation'; readonly violation: ProtocolViolation }
  | { readonly kind: 'clientClosed' }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'credentials'; readonly credentials: EndpointCredentials }
  | { readonly kind: 'lookupFailed'; readonly failure: Failure }
  | { readonly kind: 'saltedPassword'; readonly saltedPassword: Uint8Array }
  | { readonly kind: 'awake'; readonly compute: AwakeCompute }
  | { readonly kind: 'wakeFailed'; readonly failure: Failure }
  | { readonly kind: 'computeConnected' }
  | { readonly kind: 'computeMessage'; readonly message: WireMessage }
  /** The connection could not be made, or it ended. */
  | { readonly kind: 'computeLost'; readonly reason: string };

export type SessionEffect =
  /** One byte, outside of TLS: `S` yes, `N` no. */
  | { readonly kind: 'answerEncryption'; readonly letter: 'S' | 'N' }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'sendToClient'; readonly bytes: Uint8Array }
  | { readonly kind: 'sendToCompute'; readonly bytes: Uint8Array }
  | { readonly kind: 'lookUp'; readonly endpointId: string; readonly role: string }
  | {
      readonly kind: 'deriveSaltedPassword';
      readonly password: string;
      readonly salt: Uint8Array;
      readonly iterations: number;
    }
  | { readonly kind: 'wake'; readonly endpointId: string; readonly delayMs: number }
  | { readonly kind: 'connectCompute'; readonly compute: AwakeCompute }
  | { readonly kind: 'disconnectCompute' }
  /** From here on `clientKey` cancels what `computeKey` names at `compute`. */
  | {
      readonly kind: 'registerCancelKey';
      readonly clientKey: CancelKey;
      readonly computeKey: CancelKey;
      readonly compute: AwakeCompute;
    }
  | { readonly kind: 'forwardCancel'; readonly key: CancelKey }
  /** Something for metrics and logs: the client was refused. */
  | { readonly kind: 'reportRefusal'; readonly code: string; readonly message: string }
  /** Connect the two sockets, unread bytes first. */
  | { readonly kind: 'splice' }
  /** Let the client read what was sent, then close. */
  | { readonly kind: 'close' };

export interface Step {
  readonly session: Session;
  readonly effects: readonly SessionEffect[];
}
