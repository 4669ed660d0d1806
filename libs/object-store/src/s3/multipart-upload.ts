/**
 * An object sent in parts.
 *
 *   U1  The object appears with the last request, as a whole, or not at all.
 *   U2  When a part fails, the caller aborts meanwhile, or the server refuses the last request, the upload is aborted: parts cost storage until then.
 *   U3  While the last request may be under way at the server, the upload is not aborted: Ceph then does both, the object is there, and hours
 *       later its parts are removed from under it.
 *
 * Parts that are left then, or when this process dies, are for the bucket's lifecycle rule for incomplete uploads.
 */
import type { CompletedPart } from '@aws-sdk/client-s3';
import type { ObjectKey } from '../object-key';
import type { PutRequest } from '../object-store';
import { RequestFailed } from './attempts';
import { type PutIdentity, inBase64, uploadChecksumOf } from './object-metadata';
import { PART_CONCURRENCY_MAX, PART_SIZE } from './s3-config';
import { UselessAnswer } from './s3-failure';
import type { S3Requests } from './s3-requests';

const operation = 'put';
/** A server that is not there keeps a failed put waiting for no longer than this. */
const ABORT_MS = 5_000;

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

export interface Content {
  readonly key: ObjectKey;
  readonly bytes: Uint8Array;
  readonly identity: PutIdentity;
}

/** @throws RequestFailed; the reason of the signal */
export async function putInParts(requests: S3Requests, content: Content, put: PutRequest): Promise<void> {
  const upload = await begin(requests, content, put.signal);
  const giveUp = async (error: unknown): Promise<never> => {
    await abort(requests, upload);
    throw error;
  };
  const parts = await sendParts(requests, upload, { bytes: content.bytes, signal: put.signal }).catch(giveUp);
  await complete(requests, upload, { parts, content, put }).catch((error: unknown) => {
    if (isRefused(error)) return giveUp(error);
    throw error;
  });
}

/** The only attempt was answered, with a refusal: nothing is under way. */
const isRefused = (error: unknown): boolean =>
  error instanceof RequestFailed && error.attemptCount === 1 && error.failure.kind !== 'transient';

const usesCrc32c = ({ config }: S3Requests): boolean => config.uploadChecksum !== 'md5';

function begin(requests: S3Requests, { key, identity }: Content, signal: AbortSignal | undefined): Promise<Upload> {
  const { sdk, client, config } = requests;
  const object = { Bucket: config.bucket, Key: requests.keyOf(key) };
  return requests.send({ operation, signal }, async (attempt) => {
    const command = new sdk.CreateMultipartUploadCommand({
      ...object,
      Metadata: identity.metadata,
      ...(usesCrc32c(requests) ? { ChecksumAlgorithm: 'CRC32C', ChecksumType: 'FULL_OBJECT' } : {}),
    });
    const { UploadId } = await client.send(command, { abortSignal: attempt.signal });
    if (UploadId === undefined) throw new UselessAnswer('the upload has no id');
    return { ...object, UploadId };
  });
}

async function sendParts(
  requests: S3Requests,
  upload: Upload,
  { bytes, signal }: { bytes: Uint8Array; signal: AbortSignal | undefined },
): Promise<CompletedPart[]> {
  // The first part that fails ends the others, and none is in flight when the upload is aborted.
  const failing = new AbortController();
  const each = signal === undefined ? failing.signal : AbortSignal.any([signal, failing.signal]);
  const parts: CompletedPart[] = [];
  const waiting = Array.from({ length: Math.ceil(bytes.length / PART_SIZE) }, (_, index) => index).values();
  const work = async (): Promise<void> => {
    for (const index of waiting) {
      const part = bytes.subarray(index * PART_SIZE, (index + 1) * PART_SIZE);
      parts[index] = await sendPart(requests, { ...upload, PartNumber: index + 1 }, { bytes: part, signal: each });
    }
  };
  const fail = (error: unknown): void => failing.abort(error);
  await Promise.all(Array.from({ length: PART_CONCURRENCY_MAX }, () => work().catch(fail)));
  failing.signal.throwIfAborted();
  return parts;
}

async function sendPart(
  requests: S3Requests,
  place: Upload & { readonly PartNumber: number },
  { bytes, signal }: { bytes: Uint8Array; signal: AbortSignal },
): Promise<CompletedPart> {
  const { sdk, client, config } = requests;
  const checksum = await uploadChecksumOf(bytes, config.uploadChecksum ?? 'crc32c');
  return requests.send({ operation, size: bytes.length, signal }, async (attempt) => {
    const command = new sdk.UploadPartCommand({ ...place, Body: bytes, ...checksum });
    const { ETag } = await client.send(command, { abortSignal: attempt.signal });
    if (ETag === undefined) throw new UselessAnswer('the part has no etag');
    return { PartNumber: place.PartNumber, ETag, ...('ChecksumCRC32C' in checksum ? checksum : {}) };
  });
}

async function complete(
  requests: S3Requests,
  upload: Upload,
  { parts, content, put }: { parts: CompletedPart[]; content: Content; put: PutRequest },
): Promise<void> {
  const { sdk, client } = requests;
  // A server that copies the parts together needs time for every byte.
  await requests.send({ operation, size: content.bytes.length, signal: put.signal }, (attempt) => {
    const command = new sdk.CompleteMultipartUploadCommand({
      ...upload,
      MultipartUpload: { Parts: parts },
      ...(usesCrc32c(requests)
        ? { ChecksumCRC32C: inBase64(content.identity.checksum), ChecksumType: 'FULL_OBJECT' as const }
        : {}),
      ...(put.ifAbsent ? { IfNoneMatch: '*' } : {}),
    });
    return client.send(command, { abortSignal: attempt.signal });
  });
}

/** The failure that led here is the one to report. */
async function abort(requests: S3Requests, upload: Upload): Promise<void> {
  const { sdk, client } = requests;
  const patience = { attemptCountMax: 1, answerMs: ABORT_MS };
  await requests
    .send({ operation: 'abort_upload', signal: undefined, patience }, (attempt) =>
      client.send(new sdk.AbortMultipartUploadCommand(upload), { abortSignal: attempt.signal }),
    )
    .catch(() => undefined);
}
