import { Unavailable } from '@neon/kernel';
import { MemoryObjectStore } from '../memory-object-store';
import type { ObjectKey, ObjectPrefix } from '../object-key';
import type { ByteRange, ListPage, ObjectHead, PutRequest, StoredObject } from '../object-store';
import { type JudgedRule, verifyConformance } from './verify-conformance';

const largeSize = 200_000;

const found = async (store: MemoryObjectStore) => {
  const { rules, isFit } = await verifyConformance(store, { report: () => undefined, largeSize });
  const named = (status: string) =>
    rules.filter(({ judgement }) => judgement.status === status).map(({ rule }: JudgedRule) => rule.name);
  return { isFit, failed: named('failed'), lacking: named('notSupported') };
};

class IgnoresCondition extends MemoryObjectStore {
  protected override putObject(key: ObjectKey, bytes: Uint8Array, put: PutRequest): Promise<void> {
    return super.putObject(key, bytes, { ...put, ifAbsent: false });
  }
}
it('a store that ignores conditions lacks them, and is fit all the same', async () => {
  const { isFit, failed, lacking } = await found(new IgnoresCondition());
  expect({ isFit, failed }).toEqual({ isFit: true, failed: [] });
  expect(lacking).toHaveLength(3);
});

class ChecksTooEarly extends MemoryObjectStore {
  protected override async putObject(key: ObjectKey, bytes: Uint8Array, put: PutRequest): Promise<void> {
    const isFree = (await this.headObject(key)) === null;
    await new Promise((resolve) => setTimeout(resolve, 1));
    return super.putObject(key, bytes, { ...put, ifAbsent: put.ifAbsent && !isFree });
  }
}
class KeepsDeleted extends MemoryObjectStore {
  protected override deleteObjects(): Promise<void> {
    return Promise.resolve();
  }
}
class ReadsShort extends MemoryObjectStore {
  protected override async getBytes(key: ObjectKey, range: ByteRange): Promise<Uint8Array | null> {
    return (await super.getBytes(key, range))?.subarray(1) ?? null;
  }
}
class ListsFirstPageOnly extends MemoryObjectStore {
  protected override async listPage(prefix: ObjectPrefix, cursor: string | undefined): Promise<ListPage> {
    return { ...(await super.listPage(prefix, cursor)), next: undefined };
  }
}
class ListsLate extends MemoryObjectStore {
  private last: ListPage = { objects: [], next: undefined };
  protected override async listPage(prefix: ObjectPrefix, cursor: string | undefined): Promise<ListPage> {
    const { last } = this;
    this.last = await super.listPage(prefix, cursor);
    return last;
  }
}
class MixesVersions extends MemoryObjectStore {
  protected override async getObject(key: ObjectKey): Promise<StoredObject | null> {
    const object = await super.getObject(key);
    object?.bytes.fill(9, 150_000);
    return object;
  }
}
class HasOneEtag extends MemoryObjectStore {
  protected override async headObject(key: ObjectKey): Promise<ObjectHead | null> {
    const head = await super.headObject(key);
    return head === null ? null : { ...head, etag: 'always' };
  }
}
class DropsEmpty extends MemoryObjectStore {
  protected override putObject(key: ObjectKey, bytes: Uint8Array, put: PutRequest): Promise<void> {
    return bytes.length === 0 ? Promise.resolve() : super.putObject(key, bytes, put);
  }
}
class FoldsCase extends MemoryObjectStore {
  protected override async listPage(prefix: ObjectPrefix, cursor: string | undefined): Promise<ListPage> {
    const { objects, next } = await super.listPage(prefix, cursor);
    return { objects: objects.toSorted((a, b) => (a.key.toLowerCase() < b.key.toLowerCase() ? -1 : 1)), next };
  }
}

it.each([
  ['exactly one wins', new ChecksTooEarly()],
  ['many objects are deleted', new KeepsDeleted()],
  ['ranges of bytes are exact', new ReadsShort()],
  ['each of them once', new ListsFirstPageOnly()],
  ['a list after a put or a delete shows it', new ListsLate()],
  ['one version as a whole', new MixesVersions()],
  ['a put replaces what was there', new HasOneEtag()],
  ['an empty object is an object', new DropsEmpty()],
  ['in the order of bytes', new FoldsCase()],
])('a store that breaks "%s" is found out', async (name, store) => {
  const { isFit, failed } = await found(store);
  expect(isFit).toBe(false);
  expect(failed.some((rule) => rule.includes(name))).toBe(true);
});

class LosesMetadata extends MemoryObjectStore {
  protected override async getObject(key: ObjectKey): Promise<StoredObject | null> {
    const object = await super.getObject(key);
    return object === null ? null : { ...object, isVerified: false };
  }
}
it('a store that loses checksums lacks them, and is fit all the same', async () => {
  const { isFit, lacking } = await found(new LosesMetadata());
  expect(isFit).toBe(true);
  expect(lacking).toEqual([expect.stringContaining('keeps its checksum')]);
});

class Unreachable extends MemoryObjectStore {
  protected override getObject(): Promise<StoredObject | null> {
    return Promise.reject(new Unavailable('access is denied'));
  }
}
it('a store that cannot be reached is not judged', async () => {
  const report = (): void => {
    throw new Error('a rule was judged');
  };
  await expect(verifyConformance(new Unreachable(), { report })).rejects.toThrow('access is denied');
});

class Away extends MemoryObjectStore {
  protected override deleteObjects(): Promise<void> {
    return Promise.reject(new Unavailable('away'));
  }
}
it('C1: what could not be deleted is told', async () => {
  await expect(verifyConformance(new Away(), { report: () => undefined, largeSize })).rejects.toThrow('away');
});

it('C1: after an abort everything is deleted', async () => {
  const store = new MemoryObjectStore();
  const controller = new AbortController();
  const reason = new Error('enough');
  const report = ({ rule }: JudgedRule): void => {
    if (rule.name.startsWith('a put replaces')) controller.abort(reason);
  };
  await expect(verifyConformance(store, { report, signal: controller.signal, largeSize })).rejects.toBe(reason);
  const left: string[] = [];
  for await (const { key } of store.list('' as ObjectPrefix)) left.push(key);
  expect(left).toEqual([]);
});
