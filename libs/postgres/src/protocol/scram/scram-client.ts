/**
 * The client's half of SCRAM-SHA-256, with keys in place of a password.
 *
 *   C1  Nothing is signed for a server nonce that does not begin with ours.
 *   C2  A server is believed only when its signature shows that it knows ServerKey.
 */
import { decodeUtf8, encodeUtf8 } from '../text';
import { ProtocolViolation } from '../violation';
import { type ScramCrypto, type ScramKeys, equalInConstantTime, proofOf, serverSignatureOf, toBase64 } from './scram';
import { parseServerFinal, parseServerFirst } from './scram-messages';

export interface ScramClientExchange {
  readonly keys: ScramKeys;
  readonly nonce: string;
  readonly bare: string;
}

/** `n`: this client does not bind to the channel. */
const GS2_HEADER = 'n,,';

/** @param nonce fresh, unguessable, printable without a comma */
export function beginScramClient(
  keys: ScramKeys,
  nonce: string,
): { exchange: ScramClientExchange; clientFirst: Uint8Array } {
  const bare = `n=,r=${nonce}`;
  return { exchange: { keys, nonce, bare }, clientFirst: encodeUtf8(GS2_HEADER + bare) };
}

/** @throws ProtocolViolation */
export function continueScramClient(
  crypto: ScramCrypto,
  { keys, nonce, bare }: ScramClientExchange,
  data: Uint8Array,
): { clientFinal: Uint8Array; serverSignature: Uint8Array } {
  const serverFirst = decodeUtf8(data);
  const first = parseServerFirst(serverFirst);
  if (!first.nonce.startsWith(nonce) || first.nonce.length === nonce.length)
    throw new ProtocolViolation('invalid SCRAM response (nonce does not match)');
  const withoutProof = `c=${toBase64(encodeUtf8(GS2_HEADER))},r=${first.nonce}`;
  const authMessage = `${bare},${serverFirst},${withoutProof}`;
  return {
    clientFinal: encodeUtf8(`${withoutProof},p=${toBase64(proofOf(crypto, keys.clientKey, authMessage))}`),
    serverSignature: serverSignatureOf(crypto, keys.serverKey, authMessage),
  };
}

/** @throws ProtocolViolation unless the server signed as `serverSignature` says. */
export function finishScramClient(serverSignature: Uint8Array, data: Uint8Array): void {
  if (!equalInConstantTime(parseServerFinal(decodeUtf8(data)), serverSignature))
    throw new ProtocolViolation('the server does not know the password it asked for (SCRAM signature differs)');
}
