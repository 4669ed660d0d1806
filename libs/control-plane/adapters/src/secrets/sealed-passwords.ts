import { type KeptPassword, Passwords } from '@neon/control-plane-core';
import { randomBytes, randomUUID } from 'node:crypto';
import type { Database } from '../database/database';
import { unavailable } from '../database/unavailable';
import { SALT_SIZE, scramVerifier } from './scram';
import type { SecretBox } from './secret-box';

/** Passwords in the table `secrets`, each sealed. */
export class SealedPasswords extends Passwords {
  constructor(
    private readonly database: Database,
    private readonly box: SecretBox,
  ) {
    super();
  }

  override async keep(password: string, store: boolean): Promise<KeptPassword> {
    const verifier = await scramVerifier(password, randomBytes(SALT_SIZE));
    if (!store) return { verifier, secretId: null };
    const id = randomUUID();
    const ciphertext = Uint8Array.from(this.box.seal(password, id));
    await unavailable(this.database.secret.create({ data: { id, ciphertext } }));
    return { verifier, secretId: id };
  }

  override async reveal(secretId: string): Promise<string | null> {
    const row = await unavailable(this.database.secret.findUnique({ where: { id: secretId } }));
    return row === null ? null : this.box.open(row.ciphertext, secretId);
  }
}
