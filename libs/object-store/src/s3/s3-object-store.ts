/**
 * Objects in a bucket of S3, or of a server that speaks its protocol.
 *
 *   B1  Every upload carries a checksum that the server compares; every whole read is compared with the checksum in the object's
 *       metadata (object-metadata.ts).
 *   B2  An upload whose answer was lost counts as done when the object in the bucket is the one that it made.
 *   B3  Objects are deleted when the answer names each of them: a page of a web server, with status 200, does not.
 */
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import { ObjectKey, type ObjectPrefix } from '../object-key';
import {
  type ByteRange,
  type ListPage,
  OBJECT_SIZE_MAX,
  type ObjectHead,
  ObjectStore,
  type PutRequest,
  type StoredObject,
  objectExists,
  outsideObject,
  tooLarge,
} from '../object-store';
import { contentChecksum } from '../content-checksum';
import type { Attempt } from './attempts';
import { type Content, putInParts } from './multipart-upload';
import { type PutIdentity, checksumOf, identify, inBase64, putIdOf, uploadChecksumOf } from './object-metadata';
import { discard, readBody } from './s3-body';
import { LIST_COUNT_MAX, MULTIPART_SIZE_MIN, PATIENCE, type S3Config, type S3Patience } from './s3-config';
import { UselessAnswer } from './s3-failure';
import { acceptsDamagedUpload, acceptsWrongSignature } from './s3-probes';
import { type RequestOf, S3Requests, failedAs, translated } from './s3-requests';

export class S3ObjectStore extends ObjectStore {
  readonly description: string;
  protected readonly kind = 's3';

  private constructor(private readonly requests: S3Requests) {
    super();
    const { endpoint } = requests.config;
    this.description = `${requests.placeOf('').replace(/\/$/, '')}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
  }

  /** Sends no request. @throws Refusal InvalidObjectStoreUrl when there is no region */
  static async open(config: S3Config, patience: Partial<S3Patience> = {}): Promise<S3ObjectStore> {
    return new S3ObjectStore(await S3Requests.open(config, { ...PATIENCE, ...patience }));
  }

  close(): Promise<void> {
    this.requests.client.destroy();
    return Promise.resolve();
  }

  /** For the conformance suite. */
  acceptsDamagedUpload = (key: ObjectKey): Promise<boolean> => acceptsDamagedUpload(this.requests, key);
  acceptsWrongSignature = (prefix: ObjectPrefix): Promise<boolean> => acceptsWrongSignature(this.requests, prefix);

  protected async putObject(key: ObjectKey, bytes: Uint8Array, put: PutRequest): Promise<void> {
    const content: Content = { key, bytes, identity: await identify(bytes) };
    try {
      if (bytes.length > MULTIPART_SIZE_MIN) await putInParts(this.requests, content, put);
      else await this.putAtOnce(content, put);
    } catch (error) {
      if (failedAs(error, 'conflict', 'uploadMissing')) {
        if (error.attemptCount > 1 && (await this.isFrom(content.identity, key, put.signal))) return;
        if (failedAs(error, 'conflict')) throw objectExists(key);
      }
      throw translated(error, this.requests.placeOf(key));
    }
  }

  protected async getObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<StoredObject | null> {
    const found = await this.reading(key, { operation: 'get', signal }, async (attempt) => {
      const { sdk, client } = this.requests;
      const answer = await client.send(new sdk.GetObjectCommand(this.named(key)), { abortSignal: attempt.signal });
      const { ContentLength: size, ETag: etag, Metadata } = answer;
      if (size === undefined || etag === undefined || size > OBJECT_SIZE_MAX) discard(answer.Body);
      if (size === undefined || etag === undefined) throw new UselessAnswer('the answer has no length or no etag');
      if (size > OBJECT_SIZE_MAX) return { size };
      const bytes = await readBody(answer.Body, { size, attempt, answerMs: this.requests.patience.answerMs });
      return { size, bytes, etag, checksum: checksumOf(Metadata) };
    });
    if (found === null) return null;
    if (found.bytes === undefined) throw tooLarge(key, found.size);
    const { bytes, etag, checksum } = found;
    if (checksum !== undefined && checksum !== (await contentChecksum(bytes)))
      throw new Corrupt(`${this.requests.placeOf(key)} does not match its checksum`);
    return { bytes, etag, isVerified: checksum !== undefined };
  }

  protected async getBytes(
    key: ObjectKey,
    range: ByteRange,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | null> {
    const found = await this.reading(key, { operation: 'get_range', signal }, (attempt) =>
      this.readRange(key, range, attempt),
    ).catch((error: unknown) => {
      throw failedAs(error, 'range') ? outsideObject(key, range) : error;
    });
    if (found === 'short') throw outsideObject(key, range);
    if (found !== 'whole') return found;
    throw new Refusal('NotSupportedByObjectStore', `${this.requests.placeOf(key)}: the server does not read ranges`);
  }

  protected async headObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<ObjectHead | null> {
    const found = await this.headOf(key, signal);
    return found === null ? null : { size: found.size, etag: found.etag };
  }

  protected deleteObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<void> {
    return this.deleting(this.requests.placeOf(key), async () => {
      const { sdk, client } = this.requests;
      await this.requests.send({ operation: 'delete', signal }, ({ signal: abortSignal }) =>
        client.send(new sdk.DeleteObjectCommand(this.named(key)), { abortSignal }),
      );
    });
  }

  protected deleteObjects(keys: readonly ObjectKey[], signal: AbortSignal | undefined): Promise<void> {
    const place = `${this.requests.placeOf('')} (${keys.length} objects)`;
    return this.deleting(place, async () => {
      const { sdk, client, config } = this.requests;
      const Objects = keys.map((key) => ({ Key: this.requests.keyOf(key) }));
      await this.requests.send({ operation: 'delete_many', signal }, async ({ signal: abortSignal }) => {
        const command = new sdk.DeleteObjectsCommand({ Bucket: config.bucket, Delete: { Objects } });
        const { Deleted = [], Errors = [] } = await client.send(command, { abortSignal });
        const [first] = Errors;
        if (first !== undefined)
          throw new UselessAnswer(`${Errors.length} stay, the first ${first.Key}: ${first.Code}: ${first.Message}`);
        const deleted = new Set(Deleted.map(({ Key }) => Key));
        const unnamed = Objects.find(({ Key }) => !deleted.has(Key));
        if (unnamed !== undefined) throw new UselessAnswer(`the answer does not say that ${unnamed.Key} is deleted`);
      });
    });
  }

  protected async listPage(
    prefix: ObjectPrefix,
    cursor: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ListPage> {
    const { sdk, client, config } = this.requests;
    const command = {
      Bucket: config.bucket,
      Prefix: this.requests.keyOf(prefix),
      MaxKeys: LIST_COUNT_MAX,
      ...(cursor === undefined ? {} : { ContinuationToken: cursor }),
    };
    try {
      return await this.requests.send({ operation: 'list', signal }, async ({ signal: abortSignal }) => {
        const page = await client.send(new sdk.ListObjectsV2Command(command), { abortSignal });
        const { Name, Contents = [], IsTruncated, NextContinuationToken } = page;
        if (Name !== config.bucket) throw new UselessAnswer('the answer is not a list of the bucket');
        if (IsTruncated === true && NextContinuationToken === undefined)
          throw new UselessAnswer('the list goes on, and nothing says where');
        const objects = Contents.flatMap(({ Key, Size }) => {
          const key = (Key ?? '').slice(this.requests.keyOf('').length);
          return ObjectKey.is(key) ? [{ key, size: Size ?? 0 }] : [];
        });
        return { objects, next: IsTruncated === true ? NextContinuationToken : undefined };
      });
    } catch (error) {
      throw translated(error, this.requests.placeOf(prefix));
    }
  }

  private named = (key: ObjectKey): { readonly Bucket: string; readonly Key: string } => ({
    Bucket: this.requests.config.bucket,
    Key: this.requests.keyOf(key),
  });

  private async putAtOnce({ key, bytes, identity }: Content, { ifAbsent, signal }: PutRequest): Promise<void> {
    const { sdk, client, config } = this.requests;
    const checksum =
      config.uploadChecksum === 'md5'
        ? await uploadChecksumOf(bytes, 'md5')
        : { ChecksumCRC32C: inBase64(identity.checksum) };
    const command = {
      ...this.named(key),
      Body: bytes,
      Metadata: identity.metadata,
      ...checksum,
      ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
    };
    await this.requests.send({ operation: 'put', size: bytes.length, signal }, async ({ signal: abortSignal }) => {
      const { ETag } = await client.send(new sdk.PutObjectCommand(command), { abortSignal });
      if (ETag === undefined) throw new UselessAnswer('the answer has no etag');
    });
  }

  /** Or what the server gave instead: less, or everything. */
  private async readRange(key: ObjectKey, range: ByteRange, attempt: Attempt): Promise<Uint8Array | 'short' | 'whole'> {
    const { sdk, client, patience } = this.requests;
    const { offset, length } = range;
    const command = new sdk.GetObjectCommand({ ...this.named(key), Range: `bytes=${offset}-${offset + length - 1}` });
    const { Body, ContentRange } = await client.send(command, { abortSignal: attempt.signal });
    const given = /^bytes (\d+)-(\d+)\//.exec(ContentRange ?? '');
    const givenLength = Number(given?.[2]) + 1 - offset;
    if (given !== null && Number(given[1]) === offset && givenLength === length)
      return readBody(Body, { size: length, attempt, answerMs: patience.answerMs });
    discard(Body);
    if (given === null) return 'whole';
    if (Number(given[1]) === offset && givenLength < length) return 'short';
    throw new UselessAnswer(`the answer has ${given[0]}, not the ${length} bytes from ${offset}`);
  }

  /** B2. */
  private async isFrom({ putId }: PutIdentity, key: ObjectKey, signal: AbortSignal | undefined): Promise<boolean> {
    return putIdOf((await this.headOf(key, signal))?.metadata) === putId;
  }

  private headOf(key: ObjectKey, signal: AbortSignal | undefined) {
    const { sdk, client } = this.requests;
    return this.reading(key, { operation: 'head', signal }, async ({ signal: abortSignal }) => {
      const answer = await client.send(new sdk.HeadObjectCommand(this.named(key)), { abortSignal });
      const { ContentLength: size, ETag: etag, Metadata: metadata } = answer;
      if (size === undefined || etag === undefined) throw new UselessAnswer('the answer has no length or no etag');
      return { size, etag, metadata };
    });
  }

  /**
   * Null when there is no such object. Only `NoSuchKey` says so: the answer to a HEAD has no body to say it in, and a status of 404 alone may
   * come from a missing bucket, or from a server that has nothing to do with S3.
   */
  private async reading<T>(
    key: ObjectKey,
    request: RequestOf,
    run: (attempt: Attempt) => Promise<T>,
  ): Promise<T | null> {
    try {
      return await this.requests.send(request, run);
    } catch (error) {
      if (failedAs(error, 'range')) throw error;
      if (!failedAs(error, 'absent')) throw translated(error, this.requests.placeOf(key));
      if (error.failure.name !== 'NoSuchKey') await this.expectBucket(request);
      return null;
    }
  }

  private async expectBucket({ operation, signal }: RequestOf): Promise<void> {
    const { sdk, client, config } = this.requests;
    try {
      await this.requests.send({ operation, signal }, ({ signal: abortSignal }) =>
        client.send(new sdk.HeadBucketCommand({ Bucket: config.bucket }), { abortSignal }),
      );
    } catch (error) {
      if (failedAs(error, 'absent', 'bucketMissing'))
        throw new Unavailable(`the bucket ${config.bucket} does not exist`, { cause: error });
      throw translated(error, this.requests.placeOf(''));
    }
  }

  private async deleting(place: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      // Some servers answer so when nothing was there.
      if (!failedAs(error, 'absent') || error.failure.name !== 'NoSuchKey') throw translated(error, place);
    }
  }
}
