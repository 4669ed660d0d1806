import { parseConfig } from './config';

const COMPLETE = {
  NEON_PROXY_PORT: '5432',
  NEON_HTTP_PORT: '7020',
  NEON_NATS_URL: 'nats://127.0.0.1:4222',
  NEON_TLS_DIR: '/tls',
};

describe('the configuration', () => {
  it('is read with its defaults', () => {
    expect(parseConfig(COMPLETE)).toMatchObject({
      host: '127.0.0.1',
      domain: 'localhost',
      certificate: { kind: 'selfSigned', directory: '/tls' },
      connectionsMax: 10_000,
    });
  });

  it('takes given certificates before its own', () => {
    const files = { NEON_TLS_CERT_FILE: '/a.crt', NEON_TLS_KEY_FILE: '/a.key' };
    expect(parseConfig({ ...COMPLETE, ...files }).certificate).toEqual({
      kind: 'files',
      certFile: '/a.crt',
      keyFile: '/a.key',
    });
  });

  it('names every problem at once', () => {
    const parse = () => parseConfig({ ...COMPLETE, NEON_PROXY_PORT: 'x', NEON_PROXY_DOMAIN: 'A b' });
    for (const name of ['NEON_PROXY_PORT', 'NEON_PROXY_DOMAIN']) expect(parse).toThrow(name);
  });

  it('refuses half a certificate, and none at all', () => {
    expect(() => parseConfig({ ...COMPLETE, NEON_TLS_CERT_FILE: '/a.crt' })).toThrow('go together');
    expect(() => parseConfig({ ...COMPLETE, NEON_TLS_DIR: undefined })).toThrow('must be given');
  });
});
