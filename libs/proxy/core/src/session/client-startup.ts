/**
 * From the first byte to the question for a password.
 *
 *   H1  A session starts inside TLS only. Outside of it a client may ask for encryption, or cancel.
 *   H2  Nothing that arrived before TLS is used after it: a client that did not wait for our answer is refused.
 *   H3  Direct TLS needs the ALPN protocol `postgresql`: another protocol's client must not be talked into speaking ours.
 */
import { type StartupPacket, type StartupParameter, encodeBackendMessage } from '@neon/postgres';
import { clientErrors } from '../client-error';
import { PROTOCOL_EXTENSION_PREFIX, computeParameters } from '../endpoint/compute-parameters';
import { parseConnectionOptions } from '../endpoint/connection-options';
import { chooseEndpoint } from '../endpoint/endpoint-choice';
import { advance, closeSilently, refuse, stay } from './outcome';
import type { HandshakeRules, SessionEffect, SessionIn, SessionInput, Step } from './session';

const ALPN_POSTGRESQL = 'postgresql';

export function negotiate(session: SessionIn<'negotiating'>, input: SessionInput): Step {
  if (input.kind === 'directTls') return advance(session.seed, { status: 'encrypting' }, { kind: 'startTls' });
  if (input.kind !== 'startupPacket') return stay(session);
  switch (input.packet.kind) {
    case 'tlsRequest':
      if (input.isFollowed) return refuse(session, clientErrors.bytesBeforeTls);
      return advance(
        session.seed,
        { status: 'encrypting' },
        { kind: 'answerEncryption', letter: 'S' },
        { kind: 'startTls' },
      );
    case 'gssEncryptionRequest':
      return advance(session.seed, { status: 'negotiating' }, { kind: 'answerEncryption', letter: 'N' });
    case 'cancelRequest':
      return closeSilently(session, { kind: 'forwardCancel', key: input.packet.key });
    case 'startup':
      return refuse(session, clientErrors.insecure);
  }
}

export function encrypt(session: SessionIn<'encrypting'>, input: SessionInput): Step {
  if (input.kind !== 'tlsEstablished') return stay(session);
  const { channel } = input;
  if (channel.isDirect && channel.alpn !== ALPN_POSTGRESQL) return refuse(session, clientErrors.missingAlpn);
  return advance(session.seed, { status: 'starting', channel });
}

export function start(rules: HandshakeRules, session: SessionIn<'starting'>, input: SessionInput): Step {
  if (input.kind !== 'startupPacket') return stay(session);
  switch (input.packet.kind) {
    case 'tlsRequest':
    case 'gssEncryptionRequest':
      return advance(session.seed, session, { kind: 'answerEncryption', letter: 'N' });
    case 'cancelRequest':
      return closeSilently(session, { kind: 'forwardCancel', key: input.packet.key });
    case 'startup':
      return begin(rules, session, input.packet);
  }
}

type Startup = Extract<StartupPacket, { kind: 'startup' }>;

function begin(rules: HandshakeRules, session: SessionIn<'starting'>, packet: Startup): Step {
  if (session.seed.isOverLimit) return refuse(session, clientErrors.tooManyConnections);
  const role = lastOf(packet.parameters, 'user') ?? '';
  if (role === '') return refuse(session, clientErrors.missingUser);
  const options = parseConnectionOptions(lastOf(packet.parameters, 'options') ?? '');
  const [unsupported] = options.unsupported;
  if (unsupported !== undefined) return refuse(session, clientErrors.optionNotSupported(unsupported));
  const { serverName, certificateHash } = session.channel;
  const parameters = computeParameters(packet.parameters, options.forCompute);
  const request = { role, parameters, certificateHash };
  const choice = chooseEndpoint({ serverName, options: options.endpoints, domains: rules.domains });
  const negotiation = versionNegotiation(packet);
  switch (choice.kind) {
    case 'refused':
      return refuse(session, choice.error);
    case 'inPassword':
      return advance(session.seed, { status: 'askingPassword', request }, ...negotiation, {
        kind: 'sendToClient',
        bytes: encodeBackendMessage({ kind: 'authenticationCleartextPassword' }),
      });
    case 'chosen': {
      const target = { ...request, endpointId: choice.endpointId };
      const question: SessionEffect = { kind: 'lookUp', endpointId: target.endpointId, role };
      return advance(session.seed, { status: 'lookingUp', target, password: null }, ...negotiation, question);
    }
  }
}

/** A client that speaks a newer minor version, or protocol extensions, is told that we speak 3.0 and none. */
function versionNegotiation({ minor, parameters }: Startup): SessionEffect[] {
  const unrecognizedOptions = parameters
    .map(([name]) => name)
    .filter((name) => name.startsWith(PROTOCOL_EXTENSION_PREFIX));
  if (minor === 0 && unrecognizedOptions.length === 0) return [];
  return [
    {
      kind: 'sendToClient',
      bytes: encodeBackendMessage({ kind: 'negotiateProtocolVersion', minor: 0, unrecognizedOptions }),
    },
  ];
}

/** Postgres lets the last of equal names win. */
const lastOf = (parameters: readonly StartupParameter[], name: string): string | undefined =>
  parameters.findLast(([candidate]) => candidate === name)?.[1];
