import { parseConfig } from './config';

const COMPLETE = {
  NEON_SAFEKEEPER_ID: '2',
  NEON_DATA_DIR: '/data',
  NEON_PROPOSER_PORT: '5454',
  NEON_REPLICATION_PORT: '5455',
  NEON_HTTP_PORT: '7676',
  NEON_NATS_URL: 'nats://127.0.0.1:4222',
  NEON_TOKEN_PUBLIC_KEY_FILE: '/key.pem',
};

describe('the configuration', () => {
  test('is read with its defaults', () => {
    expect(parseConfig(COMPLETE)).toMatchObject({
      safekeeperId: 2,
      host: '127.0.0.1',
      proposerPort: 5454,
      walLimits: { safekeeperBytesMax: Infinity, timelineBytesMax: Infinity },
      unarchivedWal: 'kept',
      objectStoreUrl: undefined,
      offloadAfterMs: 6 * 60 * 60 * 1000,
    });
  });

  test('limits what is kept where it says so', () => {
    const limits = { NEON_WAL_BYTES_MAX: '1000', NEON_TIMELINE_WAL_BYTES_MAX: '10', NEON_UNARCHIVED_WAL: 'trimmed' };
    expect(parseConfig({ ...COMPLETE, ...limits })).toMatchObject({
      walLimits: { safekeeperBytesMax: 1000, timelineBytesMax: 10 },
      unarchivedWal: 'trimmed',
    });
  });

  test('names every problem at once', () => {
    const parse = () =>
      parseConfig({ ...COMPLETE, NEON_SAFEKEEPER_ID: '0', NEON_HTTP_PORT: 'x', NEON_DATA_DIR: undefined });
    for (const name of ['NEON_SAFEKEEPER_ID', 'NEON_HTTP_PORT', 'NEON_DATA_DIR']) expect(parse).toThrow(name);
  });
});
