/**
 * From the startup packet to a proved password.
 *
 *   H4  The password is proved to the proxy, against the verifier, before any compute is woken.
 *   H5  A role that does not exist gets the same messages as one that does, with a salt that stays the same, and fails as
 *       a wrong password does. An endpoint that does not exist is named as such: its id is a host name, no secret.
 *   H6  The address is judged before the password.
 */
import {
  SCRAM_ITERATIONS_DEFAULT,
  SCRAM_SALT_SIZE,
  type ScramVerifier,
  beginScramServer,
  decodePasswordMessage,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeBackendMessage,
  equalInConstantTime,
  finishScramServer,
  normalizePassword,
  parseScramVerifier,
  scramKeysOf,
  scramMechanisms,
  scramVerifierOf,
} from '@neon/postgres';
import { clientErrors } from '../client-error';
import type { EndpointCredentials } from '../control-plane';
import { isAddressAllowed } from '../endpoint/allowed-address';
import { splitPassword } from '../endpoint/endpoint-choice';
import { beginWaking } from './compute-connection';
import { advance, refuse, stay } from './outcome';
import type { Failure, HandshakeRules, SessionIn, SessionInput, Step, Target } from './session';

export function takePassword(session: SessionIn<'askingPassword'>, input: SessionInput): Step {
  if (input.kind !== 'clientMessage') return stay(session);
  const { choice, password } = splitPassword(decodePasswordMessage(input.message));
  if (choice.kind === 'refused') return refuse(session, choice.error);
  if (choice.kind === 'inPassword') return refuse(session, clientErrors.endpointNotSpecified);
  const target = { ...session.request, endpointId: choice.endpointId };
  return advance(
    session.seed,
    { status: 'lookingUp', target, password },
    { kind: 'lookUp', endpointId: target.endpointId, role: target.role },
  );
}

export function lookUp(rules: HandshakeRules, session: SessionIn<'lookingUp'>, input: SessionInput): Step {
  if (input.kind === 'lookupFailed') return refuse(session, lookupError(input.failure));
  if (input.kind !== 'credentials') return stay(session);
  const { seed, target, password } = session;
  if (!isAddressAllowed(seed.clientAddress, input.credentials.allowedIps))
    return refuse(session, clientErrors.addressNotAllowed(seed.clientAddress));
  const { verifier, isDoomed } = verifierFor(rules, target, input.credentials);
  if (password === null)
    return advance(
      seed,
      { status: 'choosingMechanism', target, verifier, isDoomed },
      {
        kind: 'sendToClient',
        bytes: encodeBackendMessage({
          kind: 'authenticationSasl',
          mechanisms: scramMechanisms(target.certificateHash),
        }),
      },
    );
  const { salt, iterations } = verifier;
  return advance(
    seed,
    { status: 'derivingKeys', target, verifier, isDoomed },
    { kind: 'deriveSaltedPassword', password: normalizePassword(password), salt, iterations },
  );
}

function lookupError(failure: Failure) {
  if (failure.kind === 'unavailable') return clientErrors.lookupFailed;
  if (failure.code === 'EndpointNotFound') return clientErrors.endpointNotFound;
  return failure.code === 'EndpointDisabled' ? clientErrors.endpointDisabled : clientErrors.lookupFailed;
}

function verifierFor(
  { crypto, mockSecret }: HandshakeRules,
  { endpointId, role }: Target,
  credentials: EndpointCredentials,
): { verifier: ScramVerifier; isDoomed: boolean } {
  const known = credentials.verifier === null ? null : parseScramVerifier(credentials.verifier);
  if (known !== null) return { verifier: known, isDoomed: false };
  const made = crypto.hmacSha256(mockSecret, new TextEncoder().encode(`${endpointId}\0${role}`));
  const salt = made.subarray(0, SCRAM_SALT_SIZE);
  return {
    verifier: { iterations: SCRAM_ITERATIONS_DEFAULT, salt, storedKey: made, serverKey: made },
    isDoomed: true,
  };
}

export function chooseMechanism(session: SessionIn<'choosingMechanism'>, input: SessionInput): Step {
  if (input.kind !== 'clientMessage') return stay(session);
  const { seed, target, verifier, isDoomed } = session;
  const { exchange, serverFirst } = beginScramServer(decodeSaslInitialResponse(input.message), {
    verifier,
    isDoomed,
    serverNonce: seed.serverNonce,
    certificateHash: target.certificateHash,
  });
  return advance(
    seed,
    { status: 'proving', target, exchange },
    { kind: 'sendToClient', bytes: encodeBackendMessage({ kind: 'authenticationSaslContinue', data: serverFirst }) },
  );
}

export function prove(rules: HandshakeRules, session: SessionIn<'proving'>, input: SessionInput): Step {
  if (input.kind !== 'clientMessage') return stay(session);
  const { seed, target, exchange } = session;
  const done = finishScramServer(rules.crypto, exchange, decodeSaslResponse(input.message));
  if (done === null) return refuse(session, clientErrors.passwordFailed(target.role));
  return beginWaking(
    seed,
    { ...target, keys: done.keys },
    { kind: 'sendToClient', bytes: encodeBackendMessage({ kind: 'authenticationSaslFinal', data: done.serverFinal }) },
  );
}

export function compareKeys(rules: HandshakeRules, session: SessionIn<'derivingKeys'>, input: SessionInput): Step {
  if (input.kind === 'lookupFailed') return refuse(session, clientErrors.lookupFailed);
  if (input.kind !== 'saltedPassword') return stay(session);
  const { seed, target, verifier, isDoomed } = session;
  const keys = scramKeysOf(rules.crypto, input.saltedPassword);
  const { storedKey } = scramVerifierOf(rules.crypto, keys, verifier);
  if (isDoomed || !equalInConstantTime(storedKey, verifier.storedKey))
    return refuse(session, clientErrors.passwordFailed(target.role));
  return beginWaking(seed, { ...target, keys });
}
