/** Keys and tokens of this installation: made once, readable by their owner alone, never printed. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TokenIssuer, generateKeyPair } from '@neon/service-token';
import { type Home, folder } from './home';

export interface Secrets {
  readonly tokenPrivateKeyFile: string;
  readonly tokenPublicKeyFile: string;
  /** The pageserver's own token, to read WAL. */
  readonly storageTokenFile: string;
  readonly secretKeyFile: string;
  readonly apiKeyFile: string;
  readonly natsToken: string;
  readonly metadataPassword: string;
}

export async function ensureSecrets(home: Home): Promise<Secrets> {
  const directory = folder(home, 'keys', 0o700);
  const path = (name: string): string => join(directory, name);
  const once = (name: string, make: () => string): string => {
    if (!existsSync(path(name))) writeFileSync(path(name), make(), { mode: 0o600, flag: 'wx' });
    return readFileSync(path(name), 'utf8');
  };
  if (!existsSync(path('token-private.pem'))) {
    const { privatePem, publicPem } = await generateKeyPair();
    writeFileSync(path('token-public.pem'), publicPem, { mode: 0o600 });
    writeFileSync(path('token-private.pem'), privatePem, { mode: 0o600 });
  }
  if (!existsSync(path('storage-token'))) {
    const issuer = await TokenIssuer.fromPem(readFileSync(path('token-private.pem'), 'utf8'));
    writeFileSync(path('storage-token'), await issuer.issue({ scope: 'storage' }), { mode: 0o600 });
  }
  once('secret.key', () => randomBytes(32).toString('hex'));
  once('api-key', () => `napi_${randomBytes(32).toString('hex')}`);
  return {
    tokenPrivateKeyFile: path('token-private.pem'),
    tokenPublicKeyFile: path('token-public.pem'),
    storageTokenFile: path('storage-token'),
    secretKeyFile: path('secret.key'),
    apiKeyFile: path('api-key'),
    natsToken: once('nats-token', () => randomBytes(24).toString('hex')),
    metadataPassword: once('metadata-password', () => randomBytes(24).toString('hex')),
  };
}
