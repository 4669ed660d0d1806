/** Objects in memory, for tests of what uses an ObjectStore: the whole contract but its durability. */
import { Corrupt } from '@neon/kernel';
import { contentChecksum } from './content-checksum';
import type { ObjectKey, ObjectPrefix } from './object-key';
import {
  type ByteRange,
  type ListPage,
  type ObjectHead,
  ObjectStore,
  type PutRequest,
  type StoredObject,
  objectExists,
  outsideObject,
} from './object-store';

interface HeldObject {
  readonly bytes: Uint8Array;
  readonly checksum: number;
  readonly etag: string;
}

const LIST_COUNT_MAX = 1000;

export class MemoryObjectStore extends ObjectStore {
  readonly description = 'memory';
  protected readonly kind = 'memory';
  private readonly objects = new Map<ObjectKey, HeldObject>();
  private putCount = 0;

  /** Changes one byte of an object, as a failing disk would. */
  damage(key: ObjectKey, offset: number): void {
    const held = this.objects.get(key);
    if (held?.bytes[offset] === undefined) throw new RangeError(`${key} has no byte ${offset}`);
    held.bytes[offset] ^= 1;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  protected async putObject(key: ObjectKey, bytes: Uint8Array, { ifAbsent }: PutRequest): Promise<void> {
    const checksum = await contentChecksum(bytes);
    if (ifAbsent && this.objects.has(key)) throw objectExists(key);
    this.objects.set(key, { bytes: new Uint8Array(bytes), checksum, etag: String(this.putCount++) });
  }

  protected async getObject(key: ObjectKey): Promise<StoredObject | null> {
    const held = this.objects.get(key);
    if (held === undefined) return null;
    if ((await contentChecksum(held.bytes)) !== held.checksum) throw new Corrupt(`${key} does not match its checksum`);
    return { bytes: held.bytes.slice(), etag: held.etag, isVerified: true };
  }

  protected async getBytes(key: ObjectKey, range: ByteRange): Promise<Uint8Array | null> {
    const held = this.objects.get(key);
    if (held === undefined) return Promise.resolve(null);
    const end = range.offset + range.length;
    if (end > held.bytes.length) throw outsideObject(key, range, held.bytes.length);
    return Promise.resolve(held.bytes.slice(range.offset, end));
  }

  protected headObject(key: ObjectKey): Promise<ObjectHead | null> {
    const held = this.objects.get(key);
    return Promise.resolve(held === undefined ? null : { size: held.bytes.length, etag: held.etag });
  }

  protected deleteObject(key: ObjectKey): Promise<void> {
    this.objects.delete(key);
    return Promise.resolve();
  }

  protected deleteObjects(keys: readonly ObjectKey[]): Promise<void> {
    for (const key of keys) this.objects.delete(key);
    return Promise.resolve();
  }

  protected listPage(prefix: ObjectPrefix, cursor: string | undefined): Promise<ListPage> {
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && (cursor === undefined || key > cursor))
      .sort();
    const page = keys.slice(0, LIST_COUNT_MAX);
    const objects = page.map((key) => ({ key, size: this.objects.get(key)?.bytes.length ?? 0 }));
    return Promise.resolve({ objects, next: keys.length > page.length ? page.at(-1) : undefined });
  }
}
