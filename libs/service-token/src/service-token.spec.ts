import { TokenIssuer, TokenVerifier, generateKeyPair } from './service-token';

async function pair() {
  const { privatePem, publicPem } = await generateKeyPair();
  return { issuer: await TokenIssuer.fromPem(privatePem), verifier: await TokenVerifier.fromPem(publicPem) };
}

describe('service tokens', () => {
  it('T1: a token opens what it names', async () => {
    const { issuer, verifier } = await pair();
    const claims = { scope: 'timeline', tenantId: 'a', timelineId: 'b' } as const;
    expect(await verifier.verify(await issuer.issue(claims))).toEqual(claims);
    expect(await verifier.verifyBearer(`Bearer ${await issuer.issue({ scope: 'storage' }, 60)}`)).toEqual({
      scope: 'storage',
    });
  });

  it('T3: refuses another key, an expired token, other claims and garbage, without repeating them', async () => {
    const ours = await pair();
    const other = await pair();
    const foreign = await other.issuer.issue({ scope: 'management' });
    const expired = await ours.issuer.issue({ scope: 'management' }, -10);
    const unknown = await ours.issuer.issue({ scope: 'everything' } as never);
    for (const [token, reason] of [
      [foreign, 'another key'],
      [expired, 'expired'],
      [unknown, 'unknown claims'],
      ['garbage', 'malformed'],
      ['', 'malformed'],
    ] as const) {
      const refusal = await ours.verifier.verify(token).catch((error: unknown) => error as Error);
      expect(refusal).toMatchObject({ code: 'Unauthorized', message: expect.stringContaining(reason) });
      if (token.length > 0 && refusal instanceof Error) expect(refusal.message).not.toContain(token);
    }
    await expect(ours.verifier.verifyBearer(undefined)).rejects.toMatchObject({ code: 'Unauthorized' });
  });
});
