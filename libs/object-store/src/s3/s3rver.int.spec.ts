import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { verifyConformance } from '../conformance/verify-conformance';
import { S3ObjectStore } from './s3-object-store';

/** The part of s3rver that is used here; the package has no types. */
interface S3rver {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
}
type S3rverClass = new (options: object) => S3rver;

const directory = mkdtempSync(join(tmpdir(), 'neon-s3rver-'));
let server: S3rver;
let endpoint: string;
beforeAll(async () => {
  const { default: Server } = (await import('s3rver' as string)) as { default: S3rverClass };
  server = new Server({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: 'neon' }],
  });
  endpoint = `http://127.0.0.1:${(await server.run()).port}`;
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

/**
 * s3rver is a test double for applications, not a store. What it does not do, exactly; everything else it does. Whether a mixture of two
 * versions is read is left to chance there, since it writes over the file that is being read.
 */
const BY_CHANCE = 'whoever reads while an object is replaced gets one version as a whole';
const SHORTFALL = {
  'an empty object is an object': ['failed', 'the first byte of an empty object is promised and not sent'],
  'ranges of bytes are exact, and refused where the object has none': ['failed', 'bytes=0-0 is taken for all bytes'],
  'a list has what begins with its prefix, with sizes, in the order of bytes': [
    'failed',
    'names of files are in order',
  ],
  'a list of 1050 objects has each of them once, over several pages': [
    'failed',
    'its tokens need a cipher that is gone',
  ],
  'a put that must not replace does not': ['notSupported', 'If-None-Match is ignored'],
  'of 4 writers at once, each of which must not replace, exactly one wins': ['notSupported', 'likewise'],
  'a put in parts that must not replace does not': ['notSupported', 'likewise'],
  'an upload that arrives damaged is refused': ['notSupported', 'checksums are ignored'],
  'a request with a wrong signature is refused': ['notSupported', 'version 4 signatures are not looked at'],
};

it('the suite finds out what s3rver does not do, and nothing else', async () => {
  const store = await S3ObjectStore.open(
    {
      bucket: 'neon',
      prefix: 'some/prefix',
      endpoint,
      forcePathStyle: true,
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    },
    { attemptCountMax: 2, backoffMs: 1 },
  );
  try {
    const { rules, isFit } = await verifyConformance(store, { report: () => undefined });
    const shortfall = rules
      .filter(({ rule, judgement }) => judgement.status !== 'ok' && rule.name !== BY_CHANCE)
      .map(({ rule, judgement }) => [rule.name, judgement.status]);
    expect(Object.fromEntries(shortfall)).toEqual(
      Object.fromEntries(Object.entries(SHORTFALL).map(([name, [status]]) => [name, status])),
    );
    expect(isFit).toBe(false);
  } finally {
    await store.close();
  }
});
