/** What a server does with requests that S3ObjectStore never sends: for the conformance suite. */
import { Refusal } from '@neon/kernel';
import type { ObjectKey, ObjectPrefix } from '../object-key';
import { RequestFailed } from './attempts';
import { uploadChecksumOf } from './object-metadata';
import type { S3Requests } from './s3-requests';

/** Whether the server takes an upload whose content is not what its checksum says. */
export async function acceptsDamagedUpload(requests: S3Requests, key: ObjectKey): Promise<boolean> {
  const { sdk, client, config } = requests;
  const checksum = await uploadChecksumOf(Buffer.from('what was meant'), config.uploadChecksum ?? 'crc32c');
  const command = { Bucket: config.bucket, Key: requests.keyOf(key), Body: Buffer.from('what arrived'), ...checksum };
  return isAccepted(() =>
    requests.send(
      { operation: 'put', signal: undefined, patience: { attemptCountMax: 1 } },
      ({ signal: abortSignal }) => client.send(new sdk.PutObjectCommand(command), { abortSignal }),
    ),
  );
}

/** Whether the server lists for somebody who signs with another secret than the access key has. */
export async function acceptsWrongSignature(requests: S3Requests, prefix: ObjectPrefix): Promise<boolean> {
  const { sdk, client, config } = requests;
  const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
  const stranger = new sdk.S3Client({
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    region: await client.config.region(),
    forcePathStyle: config.forcePathStyle ?? false,
    maxAttempts: 1,
    credentials: {
      accessKeyId,
      secretAccessKey: `${secretAccessKey}-not`,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
  });
  const command = { Bucket: config.bucket, Prefix: requests.keyOf(prefix) };
  try {
    return await isAccepted(() =>
      requests.send(
        { operation: 'list', signal: undefined, patience: { attemptCountMax: 1 } },
        ({ signal: abortSignal }) => stranger.send(new sdk.ListObjectsV2Command(command), { abortSignal }),
      ),
    );
  } finally {
    stranger.destroy();
  }
}

/** @throws Error when the server did not say no, and did not say yes */
async function isAccepted(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    if (REFUSALS.has(error.failure.name)) return false;
    throw new Refusal('UnexpectedAnswer', error.failure.text);
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  'BadDigest',
  'InvalidRequest',
  'XAmzContentChecksumMismatch',
  'SignatureDoesNotMatch',
  'AccessDenied',
]);
