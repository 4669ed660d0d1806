import { parseConfig } from './config';

const COMPLETE = {
  NEON_HOST_ID: 'host-1',
  NEON_DATA_DIR: '/data',
  NEON_HTTP_PORT: '7010',
  NEON_NATS_URL: 'nats://127.0.0.1:4222',
  NEON_PAGE_SHIM: '/lib/libneonpages.so',
  NEON_POSTGRES_DISTRIBUTION_DIRS: '/a:/b',
};

describe('the configuration', () => {
  it('is read with its defaults', () => {
    expect(parseConfig(COMPLETE)).toMatchObject({
      host: '127.0.0.1',
      runDir: undefined,
      httpPort: 7010,
      distributionDirs: ['/a', '/b'],
      postgresUid: undefined,
    });
  });

  it('names every problem at once', () => {
    const parse = () =>
      parseConfig({ ...COMPLETE, NEON_HOST_ID: 'a.b', NEON_HTTP_PORT: 'x', NEON_DATA_DIR: undefined });
    for (const name of ['NEON_HOST_ID', 'NEON_HTTP_PORT', 'NEON_DATA_DIR']) expect(parse).toThrow(name);
  });
});
