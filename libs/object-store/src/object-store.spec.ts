import { Corrupt, Refusal } from '@neon/kernel';
import { MemoryObjectStore } from './memory-object-store';
import { ObjectKey, ObjectPrefix } from './object-key';
import { OBJECT_SIZE_MAX } from './object-store';

const key = ObjectKey.of('a');
let store: MemoryObjectStore;
beforeEach(() => {
  store = new MemoryObjectStore();
});

it('an object has a largest size', async () => {
  await expect(store.put(key, new Uint8Array(OBJECT_SIZE_MAX + 1))).rejects.toMatchObject({ code: 'ObjectTooLarge' });
  await expect(store.getRange(key, { offset: 0, length: OBJECT_SIZE_MAX + 1 })).rejects.toThrow(Refusal);
  expect(await store.head(key)).toBeNull();
});

it.each([
  { offset: -1, length: 1 },
  { offset: 0, length: 0 },
  { offset: 0.5, length: 1 },
  { offset: 0, length: NaN },
])('%p is no range', async (range) => {
  await expect(store.getRange(key, range)).rejects.toThrow(RangeError);
});

it('what is aborted before it begins does nothing, and ends with the reason', async () => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  for (const run of [
    () => store.put(key, Buffer.from('x'), { signal }),
    () => store.get(key, { signal }),
    () => store.head(key, { signal }),
    () => store.getRange(key, { offset: 0, length: 1 }, { signal }),
    () => store.delete(key, { signal }),
    () => store.deleteMany([key], { signal }),
    () => store.list(ObjectPrefix.parse(''), { signal }).next(),
  ])
    await expect(run()).rejects.toBe(reason);
  expect(await store.head(key)).toBeNull();
});

it('S4: damage is Corrupt', async () => {
  await store.put(key, Buffer.from('content'));
  store.damage(key, 3);
  await expect(store.get(key)).rejects.toThrow(Corrupt);
});

it('what was put does not change with the bytes that it was made from', async () => {
  const bytes = Buffer.from('content');
  await store.put(key, bytes);
  bytes.fill(0);
  const found = await store.get(key);
  expect(found?.bytes).toEqual(Uint8Array.from(Buffer.from('content')));
  found?.bytes.fill(0);
  expect((await store.get(key))?.isVerified).toBe(true);
});
