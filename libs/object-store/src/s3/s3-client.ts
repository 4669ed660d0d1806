/** The SDK's client, as this library uses it. */
import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { Refusal } from '@neon/kernel';
import { CONNECTION_COUNT_MAX, type S3Config, type S3Patience } from './s3-config';

export type Sdk = typeof import('@aws-sdk/client-s3');

/** Loading the SDK takes a process a good part of a second: those that use no bucket do not. */
export const loadSdk = (): Promise<Sdk> => import('@aws-sdk/client-s3');

/** AWS ignores it elsewhere, and no SDK works without one. */
const REGION_OF_OTHERS = 'us-east-1';

/** @throws Refusal InvalidObjectStoreUrl when there is no region */
export async function makeClient(sdk: Sdk, config: S3Config, patience: S3Patience): Promise<S3Client> {
  const { endpoint, region, credentials, forcePathStyle = false, uploadChecksum = 'crc32c' } = config;
  const regionGiven = region ?? (endpoint === undefined ? undefined : REGION_OF_OTHERS);
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(regionGiven === undefined ? {} : { region: regionGiven }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle,
    // Attempts are repeated in one place, and this is not it.
    maxAttempts: 1,
    // Checksums are computed, sent and compared by us, once; the SDK's own come in trailers that other servers store as content.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would cost every larger upload a connection of its own.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: patience.connectMs,
      httpAgent: { keepAlive: true, maxSockets: CONNECTION_COUNT_MAX },
      httpsAgent: { keepAlive: true, maxSockets: CONNECTION_COUNT_MAX },
    },
  });
  if (uploadChecksum === 'md5') sendMd5OfDeletions(client);
  await client.config.region().catch((cause: unknown) => {
    throw new Refusal(
      'InvalidObjectStoreUrl',
      `there is no region for the bucket ${config.bucket}: give one with ?region= or in AWS_REGION (${String(cause)})`,
    );
  });
  return client;
}

/** The list of keys to delete is the one request that must have a checksum; older servers know no other than this. */
function sendMd5OfDeletions(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const { request } = args;
        if (commandName === 'DeleteObjectsCommand' && isRequest(request)) {
          const body = typeof request.body === 'string' || request.body instanceof Uint8Array ? request.body : '';
          for (const header of Object.keys(request.headers))
            if (/^x-amz-(sdk-)?checksum-/i.test(header)) delete request.headers[header];
          request.headers['content-md5'] = createHash('md5').update(body).digest('base64');
        }
        return next(args);
      },
    { step: 'build', priority: 'low', name: 'md5OfDeletions' },
  );
}

const isRequest = (request: unknown): request is { headers: Record<string, string>; body: unknown } =>
  typeof request === 'object' && request !== null && 'headers' in request && 'body' in request;
