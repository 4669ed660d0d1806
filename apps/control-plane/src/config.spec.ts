import { parseConfig } from './config';

const complete = {
  NEON_HTTP_PORT: '9080',
  NEON_DATABASE_URL: 'postgresql://localhost/neon',
  NEON_NATS_URL: 'nats://localhost',
  NEON_TOKEN_PRIVATE_KEY_FILE: '/keys/private.pem',
  NEON_SECRET_KEY_FILE: '/keys/secret',
  NEON_BOOTSTRAP_API_KEY_FILE: '/keys/api-key',
};

describe('the configuration', () => {
  it('has defaults for what an installation need not decide', () => {
    expect(parseConfig(complete)).toMatchObject({
      httpPort: 9080,
      proxy: { domain: 'localhost', port: 5432 },
      pgVersions: [17],
      safekeeperCount: 3,
      regionId: 'aws-us-east-2',
    });
  });

  it('takes the first of several majors for the default', () => {
    expect(parseConfig({ ...complete, NEON_PG_VERSIONS: '16,14' }).pgVersions).toEqual([16, 14]);
    for (const wrong of ['', '13', '16,', '16;17', '9.6'])
      expect(() => parseConfig({ ...complete, NEON_PG_VERSIONS: wrong })).toThrow(/NEON_PG_VERSIONS/);
  });

  it('reports every problem at once', () => {
    expect(() => parseConfig({ NEON_HTTP_PORT: 'x' })).toThrow(
      /NEON_HTTP_PORT[\s\S]*NEON_DATABASE_URL[\s\S]*NEON_NATS_URL/,
    );
  });
});
