/**
 * SCRAM-SHA-256 verifiers as Postgres stores them (RFC 5802, RFC 7677): what proves a password without being one.
 *
 * @example await scramVerifier('secret', salt) // SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>
 */
import { createHash, createHmac, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

/** Postgres' default (scram_iterations). */
const ITERATIONS = 4096;
export const SALT_SIZE = 16;

const derive = promisify(pbkdf2);

export async function scramVerifier(password: string, salt: Uint8Array): Promise<string> {
  // Generated passwords are ASCII, for which SASLprep is the identity; NFKC is its core for any other.
  const saltedPassword = await derive(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const clientKey = createHmac('sha256', saltedPassword).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', saltedPassword).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`;
}
