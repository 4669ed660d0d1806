/**
 * Encryption of secrets at rest: AES-256-GCM with a key that lives in a file, not in the database.
 *
 * A box is: format byte 1, 12 bytes nonce, ciphertext, 16 bytes tag. The secret's id is authenticated with it, so a box that
 * was moved to another row does not open.
 */
import { Corrupt } from '@neon/kernel';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const FORMAT = 1;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;
const KEY_SIZE = 32;

export class SecretBox {
  private readonly key: Buffer;

  /** @param hexKey 32 bytes as 64 hex digits */
  constructor(hexKey: string) {
    this.key = Buffer.from(hexKey.trim(), 'hex');
    if (this.key.length !== KEY_SIZE) throw new Corrupt('the secret key is not 32 bytes in hexadecimal');
  }

  seal(plain: string, id: string): Buffer {
    const nonce = randomBytes(NONCE_SIZE);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(id));
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.from([FORMAT]), nonce, body, cipher.getAuthTag()]);
  }

  /** @throws Corrupt unless `box` was sealed with this key for this id */
  open(box: Uint8Array, id: string): string {
    const bytes = Buffer.from(box);
    try {
      if (bytes[0] !== FORMAT) throw new Error(`format ${bytes[0]}`);
      const nonce = bytes.subarray(1, 1 + NONCE_SIZE);
      const decipher = createDecipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(id));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_SIZE));
      const body = bytes.subarray(1 + NONCE_SIZE, bytes.length - TAG_SIZE);
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
    } catch (cause) {
      throw new Corrupt(`the secret ${id} does not open with this key`, { cause });
    }
  }
}
