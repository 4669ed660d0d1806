/**
 * The archive of WAL in an object store (`WalArchive`, promises WA1–WA4, which are S1–S8 of `ObjectStore` for whole objects).
 *
 *   OA1  An object without a checksum of ours is not WAL of ours: something else put it there.
 */
import { Corrupt } from '@neon/kernel';
import { ObjectKey, ObjectPrefix, type ObjectStore } from '@neon/object-store';
import { WalArchive } from '@neon/safekeeper-core';

export class ObjectWalArchive extends WalArchive {
  constructor(private readonly objects: ObjectStore) {
    super();
  }

  override async sizeOf(name: string): Promise<number | null> {
    const head = await this.objects.head(ObjectKey.parse(name));
    return head === null ? null : head.size;
  }

  override put(name: string, bytes: Uint8Array): Promise<void> {
    return this.objects.put(ObjectKey.parse(name), bytes);
  }

  /** OA1. */
  override async get(name: string): Promise<Uint8Array | null> {
    const object = await this.objects.get(ObjectKey.parse(name));
    if (object === null) return null;
    if (!object.isVerified) throw new Corrupt(`${name} has no checksum`);
    return object.bytes;
  }

  override async *list(prefix: string): AsyncGenerator<string, void, void> {
    for await (const { key } of this.objects.list(ObjectPrefix.parse(prefix))) yield key;
  }

  override remove(names: readonly string[]): Promise<void> {
    return this.objects.deleteMany(names.map((name) => ObjectKey.parse(name)));
  }
}
