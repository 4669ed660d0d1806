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
      safekeeperCount: 3,
      regionId: 'aws-us-east-2',
    });
  });

  it('reports every problem at once', () => {
    expect(() => parseConfig({ NEON_HTTP_PORT: 'x' })).toThrow(
      /NEON_HTTP_PORT[\s\S]*NEON_DATABASE_URL[\s\S]*NEON_NATS_URL/,
    );
  });
});
