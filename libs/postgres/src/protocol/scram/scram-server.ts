/**
 * The server's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
 *
 *   V1  A proof is accepted only for the verifier, nonces and channel of this exchange.
 *   V2  With a binding at hand, a client that says "the server does not offer it" is refused: someone took the offer out.
 *   V3  A role without a verifier goes through the same messages and fails as a wrong password does.
 */
import { decodeUtf8, encodeUtf8 } from '../text';
import type { SaslInitialResponse } from '../frontend';
import { ProtocolViolation } from '../violation';
import {
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramCrypto,
  type ScramKeys,
  type ScramVerifier,
  clientKeyFromProof,
  equalInConstantTime,
  serverSignatureOf,
  toBase64,
} from './scram';
import { type ClientFirst, parseClientFinal, parseClientFirst } from './scram-messages';

const BINDING_TYPE = 'tls-server-end-point';

export interface ScramServerExchange {
  readonly verifier: ScramVerifier;
  /** No proof will be accepted: there is no such role. */
  readonly isDoomed: boolean;
  readonly nonce: string;
  /** What the client must send back as `c=`: its gs2 header, and the certificate's hash when it binds. */
  readonly channelBinding: Uint8Array;
  /** client-first-bare and server-first, joined: the beginning of what both sides sign. */
  readonly signedPrefix: string;
}

export interface ScramServerOptions {
  readonly verifier: ScramVerifier;
  readonly isDoomed: boolean;
  /** Fresh, unguessable, printable without a comma. */
  readonly serverNonce: string;
  /** Hash of the server certificate (tls-server-end-point); null: channel binding is not offered. */
  readonly certificateHash: Uint8Array | null;
}

/** The mechanisms to offer, best first. */
export const scramMechanisms = (certificateHash: Uint8Array | null): readonly string[] =>
  certificateHash === null ? [SCRAM_SHA_256] : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];

/** @throws ProtocolViolation when the message is malformed or its channel binding does not fit the mechanism. */
export function beginScramServer(
  response: SaslInitialResponse,
  options: ScramServerOptions,
): { exchange: ScramServerExchange; serverFirst: Uint8Array } {
  const { verifier, isDoomed, serverNonce, certificateHash } = options;
  if (!scramMechanisms(certificateHash).includes(response.mechanism))
    throw new ProtocolViolation('client selected an invalid SASL authentication mechanism');
  const first = parseClientFirst(decodeUtf8(response.data));
  const channelBinding = expectedBinding(first, response.mechanism, certificateHash);
  const nonce = first.nonce + serverNonce;
  const serverFirst = `r=${nonce},s=${toBase64(verifier.salt)},i=${verifier.iterations}`;
  return {
    exchange: { verifier, isDoomed, nonce, channelBinding, signedPrefix: `${first.bare},${serverFirst}` },
    serverFirst: encodeUtf8(serverFirst),
  };
}

function expectedBinding(first: ClientFirst, mechanism: string, certificateHash: Uint8Array | null): Uint8Array {
  const header = encodeUtf8(first.gs2Header);
  const { binding } = first;
  if (mechanism === SCRAM_SHA_256_PLUS) {
    if (binding.kind !== 'bound' || certificateHash === null)
      throw new ProtocolViolation(
        'malformed SCRAM message (the client selected SCRAM-SHA-256-PLUS without channel binding)',
      );
    if (binding.type !== BINDING_TYPE)
      throw new ProtocolViolation(`unsupported SCRAM channel-binding type "${binding.type}"`);
    return Buffer.concat([header, certificateHash]);
  }
  if (binding.kind === 'bound')
    throw new ProtocolViolation('malformed SCRAM message (the client selected SCRAM-SHA-256 with channel binding)');
  if (binding.kind === 'notOffered' && certificateHash !== null)
    throw new ProtocolViolation('SCRAM channel binding negotiation error', '28000');
  return header;
}

/** The client's keys and the last message to it; null when the password is wrong. @throws ProtocolViolation */
export function finishScramServer(
  crypto: ScramCrypto,
  exchange: ScramServerExchange,
  data: Uint8Array,
): { keys: ScramKeys; serverFinal: Uint8Array } | null {
  const final = parseClientFinal(decodeUtf8(data));
  if (!equalInConstantTime(final.channelBinding, exchange.channelBinding))
    throw new ProtocolViolation('SCRAM channel binding check failed', '28000');
  if (final.nonce !== exchange.nonce) throw new ProtocolViolation('invalid SCRAM response (nonce does not match)');
  const authMessage = `${exchange.signedPrefix},${final.withoutProof}`;
  const { storedKey, serverKey } = exchange.verifier;
  const clientKey = clientKeyFromProof(crypto, { storedKey, proof: final.proof, authMessage });
  if (clientKey === null || exchange.isDoomed) return null;
  const signature = serverSignatureOf(crypto, serverKey, authMessage);
  return { keys: { clientKey, serverKey }, serverFinal: encodeUtf8(`v=${toBase64(signature)}`) };
}
