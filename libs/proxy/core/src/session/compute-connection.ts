/**
 * From a proved password to an open session on the compute.
 *
 *   H7   A compute that cannot be reached, or says that it is starting or stopping, is woken again: WAKE_ATTEMPTS_MAX
 *        times in all, ever later. Once anything of a compute was shown to the client there is no second try.
 *   H8   The compute is logged in to with the client's own keys: the proxy knows no password and has no rights of its own.
 *   H9   From AuthenticationOk on the client gets the compute's messages unchanged, errors included; only the cancel key
 *        is replaced: its process id is true (tools compare it with `pg_backend_pid()`), its secret is ours.
 */
import {
  type BackendMessage,
  SCRAM_SHA_256,
  type WireMessage,
  beginScramClient,
  continueScramClient,
  decodeBackendMessage,
  encodeBackendMessage,
  encodeMessage,
  encodeSaslInitialResponse,
  encodeSaslResponse,
  encodeStartupPacket,
  finishScramClient,
} from '@neon/postgres';
import { unreachable } from '@neon/kernel';
import { type ClientError, clientErrors } from '../client-error';
import { WAKE_ATTEMPTS_MAX, WAKE_DELAY_FACTOR, WAKE_DELAY_FIRST_MS } from '../limits';
import { advance, closeSilently, refuse, stay } from './outcome';
import type {
  Failure,
  HandshakeRules,
  LoginStage,
  ProvedClient,
  Session,
  SessionEffect,
  SessionIn,
  SessionInput,
  SessionSeed,
  Step,
} from './session';

/** The compute lives, and another moment will find it ready: crash_shutdown, admin_shutdown, cannot_connect_now. */
const PASSING_SQL_STATES = new Set(['57P01', '57P02', '57P03']);

/** Refusals of a start that another moment may not repeat. */
const PASSING_REFUSALS = new Set([
  'QuorumUnavailable',
  'PageserverUnavailable',
  'ComputeFenced',
  'ComputeStopping',
  'HostStopping',
  'EndpointBusy',
]);

export const beginWaking = (seed: SessionSeed, client: ProvedClient, ...effects: SessionEffect[]): Step =>
  advance(seed, { status: 'waking', client, attempt: 1 }, ...effects, {
    kind: 'wake',
    endpointId: client.endpointId,
    delayMs: 0,
  });

export function wake(session: SessionIn<'waking'>, input: SessionInput): Step {
  const { seed, client, attempt } = session;
  if (input.kind === 'awake') {
    const { compute } = input;
    return advance(seed, { status: 'connecting', client, attempt, compute }, { kind: 'connectCompute', compute });
  }
  if (input.kind !== 'wakeFailed') return stay(session);
  const { failure } = input;
  const isPassing = failure.kind === 'unavailable' || PASSING_REFUSALS.has(failure.code);
  return isPassing ? wakeAgain(session, failure.message) : refuse(session, wakeError(failure));
}

function wakeError(failure: Extract<Failure, { kind: 'refused' }>): ClientError {
  if (failure.code === 'EndpointNotFound') return clientErrors.endpointNotFound;
  if (failure.code === 'EndpointDisabled') return clientErrors.endpointDisabled;
  return clientErrors.startRefused({ code: failure.code, reason: failure.message });
}

function wakeAgain(session: SessionIn<'waking' | 'connecting' | 'loggingIn'>, reason: string): Step {
  const { seed, client, attempt } = session;
  if (attempt >= WAKE_ATTEMPTS_MAX) return refuse(session, clientErrors.computeUnreachable(reason));
  const delayMs = Math.round(WAKE_DELAY_FIRST_MS * WAKE_DELAY_FACTOR ** (attempt - 1));
  return advance(
    seed,
    { status: 'waking', client, attempt: attempt + 1 },
    { kind: 'disconnectCompute' },
    { kind: 'wake', endpointId: client.endpointId, delayMs },
  );
}

export function connect(session: SessionIn<'connecting'>, input: SessionInput): Step {
  if (input.kind === 'computeLost') return wakeAgain(session, input.reason);
  if (input.kind !== 'computeConnected') return stay(session);
  const { seed, client, attempt, compute } = session;
  return advance(
    seed,
    { status: 'loggingIn', client, attempt, compute, stage: { kind: 'expectMechanisms' } },
    {
      kind: 'sendToCompute',
      bytes: encodeStartupPacket({ kind: 'startup', minor: 0, parameters: client.parameters }),
    },
  );
}

export function logIn(rules: HandshakeRules, session: SessionIn<'loggingIn'>, input: SessionInput): Step {
  if (input.kind === 'computeLost') return wakeAgain(session, input.reason);
  if (input.kind !== 'computeMessage') return stay(session);
  const message = decodeBackendMessage(input.message);
  switch (message.kind) {
    case 'errorResponse':
      return PASSING_SQL_STATES.has(message.error.sqlState)
        ? wakeAgain(session, message.error.message)
        : relayError(session, input.message, message);
    case 'noticeResponse':
      return advance(session.seed, session, relay(input.message));
    case 'authenticationOk':
      return isProved(session.stage)
        ? advance(session.seed, { ...session, status: 'preparing' }, relay(input.message))
        : unexpected(session, message.kind);
    default:
      return continueLogin(rules, session, message);
  }
}

/** A compute that trusts this connection asks for nothing; one that began SCRAM must also finish it. */
const isProved = (stage: LoginStage): boolean => stage.kind === 'expectMechanisms' || stage.kind === 'expectOk';

function continueLogin(rules: HandshakeRules, session: SessionIn<'loggingIn'>, message: BackendMessage): Step {
  const { stage, client, seed } = session;
  const go = (next: LoginStage, bytes?: Uint8Array): Step =>
    advance(
      seed,
      { ...session, stage: next },
      ...(bytes === undefined ? [] : [{ kind: 'sendToCompute' as const, bytes }]),
    );
  switch (stage.kind) {
    case 'expectMechanisms': {
      if (message.kind !== 'authenticationSasl' || !message.mechanisms.includes(SCRAM_SHA_256))
        return unexpected(session, message.kind);
      const { exchange, clientFirst } = beginScramClient(client.keys, seed.computeNonce);
      const bytes = encodeSaslInitialResponse({ mechanism: SCRAM_SHA_256, data: clientFirst });
      return go({ kind: 'expectChallenge', clientNonce: exchange.nonce, bare: exchange.bare }, bytes);
    }
    case 'expectChallenge': {
      if (message.kind !== 'authenticationSaslContinue') return unexpected(session, message.kind);
      const exchange = { keys: client.keys, nonce: stage.clientNonce, bare: stage.bare };
      const { clientFinal, serverSignature } = continueScramClient(rules.crypto, exchange, message.data);
      return go({ kind: 'expectSignature', serverSignature }, encodeSaslResponse(clientFinal));
    }
    case 'expectSignature':
      if (message.kind !== 'authenticationSaslFinal') return unexpected(session, message.kind);
      finishScramClient(stage.serverSignature, message.data);
      return go({ kind: 'expectOk' });
    case 'expectOk':
      return unexpected(session, message.kind);
    default:
      return unreachable(stage);
  }
}

export function prepare(session: SessionIn<'preparing'>, input: SessionInput): Step {
  if (input.kind === 'computeLost') return refuse(session, clientErrors.computeUnreachable(input.reason));
  if (input.kind !== 'computeMessage') return stay(session);
  const { seed, client, compute } = session;
  const message = decodeBackendMessage(input.message);
  switch (message.kind) {
    case 'errorResponse':
      return relayError(session, input.message, message);
    case 'backendKeyData': {
      const clientKey = { processId: message.key.processId, secret: seed.cancelSecret };
      return advance(
        seed,
        session,
        { kind: 'registerCancelKey', clientKey, computeKey: message.key, compute },
        { kind: 'sendToClient', bytes: encodeBackendMessage({ kind: 'backendKeyData', key: clientKey }) },
      );
    }
    case 'readyForQuery':
      return advance(seed, { status: 'open', client, compute }, relay(input.message), { kind: 'splice' });
    default:
      return advance(seed, session, relay(input.message));
  }
}

const relay = ({ tag, payload }: WireMessage): SessionEffect => ({
  kind: 'sendToClient',
  bytes: encodeMessage(String.fromCharCode(tag), payload),
});

function relayError(
  session: Session,
  message: WireMessage,
  { error }: Extract<BackendMessage, { kind: 'errorResponse' }>,
): Step {
  const report: SessionEffect = { kind: 'reportRefusal', code: `Compute${error.sqlState}`, message: error.message };
  return closeSilently(session, report, relay(message));
}

const unexpected = (session: Session, kind: string): Step =>
  refuse(session, clientErrors.computeUnreachable(`unexpected ${kind} while logging in`));
