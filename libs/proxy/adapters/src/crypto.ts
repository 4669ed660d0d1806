/** The cryptography that the core is handed, by Node. */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { ScramCrypto } from '@neon/postgres';
import type { SessionSeed } from '@neon/proxy-core';

export const scramCrypto: ScramCrypto = {
  sha256: (data) => createHash('sha256').update(data).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
};

const SALTED_PASSWORD_SIZE = 32;

/** In libuv's thread pool: thousands of hash rounds do not hold up other sessions. */
export const deriveSaltedPassword = (
  password: string,
  { salt, iterations }: { salt: Uint8Array; iterations: number },
): Promise<Uint8Array> => promisify(pbkdf2)(password, salt, iterations, SALTED_PASSWORD_SIZE, 'sha256');

/** Postgres' own nonce size (SCRAM_RAW_NONCE_LEN). */
const NONCE_SIZE = 18;

export const sessionSecrets = (): Pick<SessionSeed, 'serverNonce' | 'computeNonce' | 'cancelSecret'> => ({
  serverNonce: randomBytes(NONCE_SIZE).toString('base64'),
  computeNonce: randomBytes(NONCE_SIZE).toString('base64'),
  cancelSecret: randomBytes(4).readInt32BE(),
});
