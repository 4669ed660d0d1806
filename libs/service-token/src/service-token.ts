/**
 * Service tokens: EdDSA-signed JWTs by which one service trusts another.
 *
 *   T1  A token names one scope. `timeline` also names its tenant and timeline, and opens nothing else.
 *   T2  Only the control plane holds the private key; every other service verifies with the public one.
 *   T3  A token that is malformed, expired, signed by another key or of another shape is refused as `Unauthorized`; the
 *       refusal never repeats the token.
 */
import { Refusal } from '@neon/kernel';
import {
  type CryptoKey,
  SignJWT,
  exportPKCS8,
  exportSPKI,
  generateKeyPair as generate,
  importPKCS8,
  importSPKI,
  jwtVerify,
} from 'jose';
import { z } from 'zod';

const ALGORITHM = 'EdDSA';
const ISSUER = 'neon';

const Claims = z.discriminatedUnion('scope', [
  /** Create, change and delete anything: the control plane. */
  z.object({ scope: z.literal('management') }),
  /** Read and write one timeline: a compute. */
  z.object({ scope: z.literal('timeline'), tenantId: z.string(), timelineId: z.string() }),
  /** Read the WAL of any timeline: a pageserver. */
  z.object({ scope: z.literal('storage') }),
]);
export type Claims = z.infer<typeof Claims>;

export class TokenIssuer {
  private constructor(private readonly key: CryptoKey) {}

  /** @param pem PKCS #8 private key */
  static async fromPem(pem: string): Promise<TokenIssuer> {
    return new TokenIssuer(await importPKCS8(pem, ALGORITHM));
  }

  /** @param expiresInSeconds how long the token is valid; without it, until the key changes */
  issue(claims: Claims, expiresInSeconds?: number): Promise<string> {
    const token = new SignJWT({ ...claims }).setProtectedHeader({ alg: ALGORITHM }).setIssuer(ISSUER).setIssuedAt();
    if (expiresInSeconds !== undefined) token.setExpirationTime(`${expiresInSeconds}s`);
    return token.sign(this.key);
  }
}

export class TokenVerifier {
  private constructor(private readonly key: CryptoKey) {}

  /** @param pem SPKI public key */
  static async fromPem(pem: string): Promise<TokenVerifier> {
    return new TokenVerifier(await importSPKI(pem, ALGORITHM));
  }

  /** @throws Refusal `Unauthorized` */
  async verify(token: string): Promise<Claims> {
    try {
      const { payload } = await jwtVerify(token, this.key, { issuer: ISSUER, algorithms: [ALGORITHM] });
      return Claims.parse(payload);
    } catch (error) {
      throw new Refusal(
        'Unauthorized',
        `token refused: ${error instanceof z.ZodError ? 'unknown claims' : reasonOf(error)}`,
      );
    }
  }

  /** Verifies the value of an HTTP Authorization header. @throws Refusal `Unauthorized` */
  async verifyBearer(header: string | undefined): Promise<Claims> {
    const match = /^Bearer (\S+)$/i.exec(header ?? '');
    if (match?.[1] === undefined) throw new Refusal('Unauthorized', 'send "Authorization: Bearer <token>"');
    return this.verify(match[1]);
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ERR_JWT_EXPIRED':
      return 'expired';
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return 'signed by another key';
    default:
      return 'malformed';
  }
}

/** A new key pair as PEM: the private one for the control plane, the public one for everyone. */
export async function generateKeyPair(): Promise<{ privatePem: string; publicPem: string }> {
  const pair = await generate(ALGORITHM, { extractable: true });
  return { privatePem: await exportPKCS8(pair.privateKey), publicPem: await exportSPKI(pair.publicKey) };
}
