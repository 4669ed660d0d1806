/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) as values: keys, verifiers, and what both sides compute from them.
 *
 *   K1  Who holds `ClientKey` can log in without the password, to any server with the same verifier: a server learns it
 *       from a client's proof, and must treat it as the password.
 *   K2  Secrets are compared in a time that depends on their lengths alone.
 *
 * Cryptography is handed in: this library has no I/O and no implementation of its own.
 */
import { encodeUtf8 } from '../text';

export interface ScramCrypto {
  sha256(data: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
}

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS';

/** Postgres' own default (SCRAM_SHA_256_DEFAULT_ITERATIONS) and salt length. */
export const SCRAM_ITERATIONS_DEFAULT = 4096;
export const SCRAM_SALT_SIZE = 16;
const KEY_SIZE = 32;

/** What a server stores for a role: enough to check a proof, not enough to make one. */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** What a client needs to log in. */
export interface ScramKeys {
  readonly clientKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** @param saltedPassword PBKDF2-HMAC-SHA-256 of the normalized password, 32 bytes */
export function scramKeysOf(crypto: ScramCrypto, saltedPassword: Uint8Array): ScramKeys {
  return {
    clientKey: crypto.hmacSha256(saltedPassword, encodeUtf8('Client Key')),
    serverKey: crypto.hmacSha256(saltedPassword, encodeUtf8('Server Key')),
  };
}

export function scramVerifierOf(
  crypto: ScramCrypto,
  keys: ScramKeys,
  { salt, iterations }: Pick<ScramVerifier, 'salt' | 'iterations'>,
): ScramVerifier {
  return { iterations, salt, storedKey: crypto.sha256(keys.clientKey), serverKey: keys.serverKey };
}

/** `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, as pg_authid.rolpassword holds it. */
export function formatScramVerifier({ iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  return `${SCRAM_SHA_256}$${iterations}:${toBase64(salt)}$${toBase64(storedKey)}:${toBase64(serverKey)}`;
}

/** Null when `text` is not a SCRAM verifier: an MD5 hash, for instance. */
export function parseScramVerifier(text: string): ScramVerifier | null {
  const match = /^SCRAM-SHA-256\$(\d{1,9}):([^$:]+)\$([^$:]+):([^$:]+)$/.exec(text);
  const iterations = Number(match?.[1] ?? 0);
  const salt = fromBase64(match?.[2] ?? '');
  const storedKey = fromBase64(match?.[3] ?? '');
  const serverKey = fromBase64(match?.[4] ?? '');
  if (iterations < 1 || salt === null || salt.length === 0) return null;
  if (storedKey?.length !== KEY_SIZE || serverKey?.length !== KEY_SIZE) return null;
  return { iterations, salt, storedKey, serverKey };
}

/**
 * ClientKey, taken out of a client's proof; null when the proof is wrong.
 *
 * The proof is `ClientKey XOR HMAC(StoredKey, authMessage)`, so a server that knows StoredKey gets ClientKey back, and
 * SHA-256 of it must be StoredKey.
 */
export function clientKeyFromProof(
  crypto: ScramCrypto,
  { storedKey, proof, authMessage }: { storedKey: Uint8Array; proof: Uint8Array; authMessage: string },
): Uint8Array | null {
  if (proof.length !== KEY_SIZE) return null;
  const clientKey = xor(proof, crypto.hmacSha256(storedKey, encodeUtf8(authMessage)));
  return equalInConstantTime(crypto.sha256(clientKey), storedKey) ? clientKey : null;
}

export function proofOf(crypto: ScramCrypto, clientKey: Uint8Array, authMessage: string): Uint8Array {
  return xor(clientKey, crypto.hmacSha256(crypto.sha256(clientKey), encodeUtf8(authMessage)));
}

export const serverSignatureOf = (crypto: ScramCrypto, serverKey: Uint8Array, authMessage: string): Uint8Array =>
  crypto.hmacSha256(serverKey, encodeUtf8(authMessage));

export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ (b[i] ?? 0));

export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Null unless `text` is canonical base64. */
export function fromBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : null;
}
