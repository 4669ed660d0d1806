/**
 * Objects by key: what outlives every machine of the installation.
 *
 *   S1  An object is put as a whole. Whoever reads finds all of one put or all of another, never parts, never a mixture.
 *   S2  When `put` or `delete` has returned, it has happened for every reader and for every list, and survives a power failure.
 *   S3  `put` with `ifAbsent` never replaces an object: of any number of writers exactly one wins, the others get Refusal `ObjectExists`.
 *   S4  `get` compares the content with the checksum that was computed before it was put: Corrupt when they differ. An object that
 *       something else put there may have none: `isVerified` tells. A range is not verified; what is read in ranges has checksums of
 *       its own.
 *   S5  An object that is not there is null. A store that cannot be reached, a bucket or a directory that is missing, is never null: it is
 *       Unavailable.
 *   S6  `list` gives every object that was there from its beginning to its end, once, in the order of their keys' bytes. What is not an
 *       ObjectKey was not put by us and is not listed.
 *   S7  Deleting what is not there is no error.
 *   S8  After Unavailable, or an abort, from a `put` or a `delete` it may have happened or not; both may be repeated.
 *
 * Keys and sizes are checked here, once; adapters move bytes. Bytes given to `put` must not change before it returns.
 *
 * @example
 * await store.put(ObjectKey.of(tenantId, timelineId, segment), bytes);
 * const object = await store.get(ObjectKey.of(tenantId, timelineId, segment)); // { bytes, … } or null
 */
import { Refusal } from '@neon/kernel';
import type { ObjectKey, ObjectPrefix } from './object-key';
import { countTransferred, countUnverified, observed } from './observation';

/** An object is held in memory as a whole; the largest WAL segment that Postgres can be built with has this size. */
export const OBJECT_SIZE_MAX = 1024 * 1024 * 1024;
/** What S3 deletes with one request. */
export const DELETE_COUNT_MAX = 1000;

export interface ObjectHead {
  readonly size: number;
  /** Another one whenever the content is another one; no meaning besides. */
  readonly etag: string;
}
export interface StoredObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
  /** Whether there was a checksum to compare with. */
  readonly isVerified: boolean;
}
export interface ListedObject {
  readonly key: ObjectKey;
  readonly size: number;
}
/** Some objects of a list, and where it goes on. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly next: string | undefined;
}
/** Half-open: `[offset, offset + length)`. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}
export interface RequestOptions {
  readonly signal?: AbortSignal;
}
export interface PutOptions extends RequestOptions {
  readonly ifAbsent?: boolean;
}
/** What an adapter is told: every field is there. */
export interface PutRequest {
  readonly ifAbsent: boolean;
  readonly signal: AbortSignal | undefined;
}

export abstract class ObjectStore {
  /** Where it is, for people: no secrets. */
  abstract readonly description: string;
  /** `memory`, `directory` or `s3`, as metrics name it. */
  protected abstract readonly kind: string;

  /** @throws Refusal ObjectExists, ObjectTooLarge, NotSupportedByObjectStore; Unavailable */
  async put(key: ObjectKey, bytes: Uint8Array, { ifAbsent = false, signal }: PutOptions = {}): Promise<void> {
    if (bytes.length > OBJECT_SIZE_MAX) throw tooLarge(key, bytes.length);
    await this.observe('put', key, signal, () => this.putObject(key, bytes, { ifAbsent, signal }));
    countTransferred(this.kind, 'sent', bytes.length);
  }

  /** @throws Corrupt; Refusal ObjectTooLarge; Unavailable */
  async get(key: ObjectKey, { signal }: RequestOptions = {}): Promise<StoredObject | null> {
    const object = await this.observe('get', key, signal, () => this.getObject(key, signal));
    if (object === null) return null;
    countTransferred(this.kind, 'received', object.bytes.length);
    if (!object.isVerified) countUnverified(this.kind);
    return object;
  }

  /** Exactly these bytes. @throws Refusal RangeOutsideObject when the object does not have all of them; Unavailable */
  async getRange(key: ObjectKey, range: ByteRange, { signal }: RequestOptions = {}): Promise<Uint8Array | null> {
    const { offset, length } = range;
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 1)
      throw new RangeError(`not a range of bytes: ${length} from ${offset}`);
    if (length > OBJECT_SIZE_MAX) throw tooLarge(key, length);
    const bytes = await this.observe('get_range', key, signal, () => this.getBytes(key, range, signal));
    if (bytes !== null) countTransferred(this.kind, 'received', bytes.length);
    return bytes;
  }

  /** @throws Unavailable */
  head(key: ObjectKey, { signal }: RequestOptions = {}): Promise<ObjectHead | null> {
    return this.observe('head', key, signal, () => this.headObject(key, signal));
  }

  /** @throws Unavailable */
  delete(key: ObjectKey, { signal }: RequestOptions = {}): Promise<void> {
    return this.observe('delete', key, signal, () => this.deleteObject(key, signal));
  }

  /** In batches. After an error some may be gone. @throws Refusal NotSupportedByObjectStore; Unavailable */
  async deleteMany(keys: readonly ObjectKey[], { signal }: RequestOptions = {}): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETE_COUNT_MAX) {
      const batch = keys.slice(at, at + DELETE_COUNT_MAX);
      await this.observe('delete_many', `${batch.length} objects`, signal, () => this.deleteObjects(batch, signal));
    }
  }

  /** @throws Unavailable */
  async *list(prefix: ObjectPrefix, { signal }: RequestOptions = {}): AsyncGenerator<ListedObject, void, void> {
    let cursor: string | undefined;
    do {
      const from = cursor;
      const page = await this.observe('list', prefix, signal, () => this.listPage(prefix, from, signal));
      yield* page.objects;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Ends connections; nothing may be called after it. */
  abstract close(): Promise<void>;

  protected abstract putObject(key: ObjectKey, bytes: Uint8Array, request: PutRequest): Promise<void>;
  protected abstract getObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<StoredObject | null>;
  protected abstract getBytes(
    key: ObjectKey,
    range: ByteRange,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | null>;
  protected abstract headObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<ObjectHead | null>;
  protected abstract deleteObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<void>;
  /** At most DELETE_COUNT_MAX. */
  protected abstract deleteObjects(keys: readonly ObjectKey[], signal: AbortSignal | undefined): Promise<void>;
  /** The page that begins at `cursor`, the `next` of the page before it. */
  protected abstract listPage(
    prefix: ObjectPrefix,
    cursor: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ListPage>;

  private observe<T>(
    operation: string,
    object: string,
    signal: AbortSignal | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    return observed({ store: this.kind, operation, object, signal }, run);
  }
}

export const tooLarge = (key: ObjectKey, size: number): Refusal =>
  new Refusal('ObjectTooLarge', `${key}: ${size} bytes, more than the ${OBJECT_SIZE_MAX} that are allowed`, {
    key,
    size,
  });

export const objectExists = (key: ObjectKey): Refusal =>
  new Refusal('ObjectExists', `there is an object ${key} already`, { key });

export const outsideObject = (key: ObjectKey, { offset, length }: ByteRange, size?: number): Refusal =>
  new Refusal(
    'RangeOutsideObject',
    `${key} ${size === undefined ? 'does not have' : `has ${size} bytes, not`} the bytes from ${offset} to ${offset + length}`,
    { key, offset, length, ...(size === undefined ? {} : { size }) },
  );
