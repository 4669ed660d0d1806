/** Rules about single objects. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ObjectKey, SEGMENT_SIZE_MAX, KEY_SIZE_MAX } from '../object-key';
import { PART_SIZE } from '../s3/s3-config';
import type { ConformanceRule } from './rule';
import { LARGE_SIZE, NotSupported, ensure, ensureBytes, refusalOf, someBytes } from './subject';

const ROUNDS = 20;

const everything = 'everything: archived WAL, layers';
const required = { isRequired: true } as const;

export const objectRules: readonly ConformanceRule[] = [
  {
    ...required,
    name: 'what was put is read back, byte for byte',
    neededFor: everything,
    async check(subject) {
      for (const size of [1, 1000, 65_536, 1024 * 1024 + 1]) {
        const key = subject.key('round-trip', String(size));
        const bytes = someBytes(size);
        await subject.put(key, bytes);
        ensureBytes((await subject.get(key))?.bytes, bytes, `an object of ${size} bytes`);
        ensure((await subject.head(key))?.size === size, 'its head has another size');
      }
    },
  },
  {
    ...required,
    name: 'an empty object is an object',
    neededFor: everything,
    async check(subject) {
      const key = subject.key('empty');
      await subject.put(key, new Uint8Array());
      ensureBytes((await subject.get(key))?.bytes, new Uint8Array(), 'the empty object');
      ensure((await subject.head(key))?.size === 0, 'its head has another size');
      ensure((await refusalOf(subject.range(key, 0, 1))) === 'RangeOutsideObject', 'it has a first byte');
    },
  },
  {
    ...required,
    name: 'an object that is not there is absent, and no error',
    neededFor: everything,
    async check(subject) {
      const key = subject.key('absent');
      ensure((await subject.get(key)) === null, 'get found it');
      ensure((await subject.head(key)) === null, 'head found it');
      ensure((await subject.range(key, 0, 10)) === null, 'a range of it was found');
    },
  },
  {
    ...required,
    name: 'ranges of bytes are exact, and refused where the object has none',
    neededFor: 'reading pages out of layers',
    async check(subject) {
      const key = subject.key('range');
      const bytes = someBytes(100_000);
      await subject.put(key, bytes);
      for (const [offset, end] of [
        [0, 1],
        [0, 100_000],
        [99_999, 100_000],
        [12_345, 67_890],
      ] as const)
        ensureBytes(await subject.range(key, offset, end - offset), bytes.subarray(offset, end), `${offset} to ${end}`);
      for (const [offset, length] of [
        [99_999, 2],
        [100_000, 1],
        [200_000, 1],
      ] as const)
        ensure(
          (await refusalOf(subject.range(key, offset, length))) === 'RangeOutsideObject',
          `${length} bytes from ${offset} of 100000 were given`,
        );
    },
  },
  {
    ...required,
    name: 'a put replaces what was there',
    neededFor: 'indexes of timelines',
    async check(subject) {
      const key = subject.key('replaced');
      await subject.put(key, someBytes(5000));
      const before = await subject.head(key);
      const bytes = someBytes(300);
      await subject.put(key, bytes);
      ensureBytes((await subject.get(key))?.bytes, bytes, 'the object');
      const after = await subject.head(key);
      ensure(after?.size === 300, 'its head has another size');
      ensure(after.etag !== before?.etag, 'its etag is that of what was there before');
    },
  },
  {
    ...required,
    name: 'whoever reads while an object is replaced gets one version as a whole',
    neededFor: 'indexes of timelines',
    async check(subject) {
      const key = subject.key('atomic');
      const versions = [Buffer.alloc(300_000, 1), Buffer.alloc(200_000, 2)];
      await subject.put(key, versions[0] ?? Buffer.alloc(0));
      let isWriting = true;
      const write = async (): Promise<void> => {
        for (let round = 0; round < ROUNDS; round++) for (const version of versions) await subject.put(key, version);
      };
      const read = async (): Promise<void> => {
        while (isWriting) {
          // A store in memory answers within this turn of the event loop, and its writer would wait for ever.
          await nextTurn();
          const found = await subject.get(key);
          ensure(found !== null && versions.some((version) => version.equals(found.bytes)), 'a mixture was read');
        }
      };
      await Promise.all([write().finally(() => (isWriting = false)), read(), read()]);
    },
  },
  {
    ...required,
    name: 'a read after a put or a delete sees it',
    neededFor: everything,
    async check(subject) {
      const key = subject.key('read-after-write');
      for (let round = 0; round < ROUNDS; round++) {
        const bytes = someBytes(100);
        await subject.put(key, bytes);
        ensureBytes((await subject.get(key))?.bytes, bytes, `after put ${round}`);
        if (round % 2 === 0) continue;
        await subject.delete(key);
        ensure((await subject.get(key)) === null, `after delete ${round} the object is there`);
      }
    },
  },
  {
    ...required,
    name: 'keys with every character that is allowed, long ones, and one that another begins with',
    neededFor: everything,
    async check(subject) {
      const names = ["A-z_0.+=@,:!'()*", '...', '.hidden', '-', 'a', 'a.b', 's'.repeat(SEGMENT_SIZE_MAX)];
      const keys = [...names.map((name) => subject.key('odd', name)), subject.key('odd', 'a', 'below', 'it')];
      for (let longest = subject.key('odd', 'long'); longest.length < KEY_SIZE_MAX;) {
        const segment = 'l'.repeat(Math.min(SEGMENT_SIZE_MAX, KEY_SIZE_MAX - longest.length - 1));
        if (segment === '') break;
        longest = subject.key(...ObjectKey.of(longest, segment).split('/').slice(1));
        keys.push(longest);
      }
      for (const key of keys) await subject.put(key, Buffer.from(key));
      for (const key of keys) ensureBytes((await subject.get(key))?.bytes, Buffer.from(key), key);
      const listed = (await subject.keysOf('odd/')).sort();
      ensure(listed.join('\n') === [...keys].sort().join('\n'), `the list has ${listed.length} of ${keys.length} keys`);
    },
  },
  {
    ...required,
    name: `an object of ${Math.round(LARGE_SIZE / 1024 / 1024)} MiB, which a bucket gets in parts`,
    neededFor: 'layers',
    async check(subject) {
      const key = subject.key('large');
      const bytes = someBytes(subject.largeSize);
      await subject.put(key, bytes);
      ensure((await subject.head(key))?.size === subject.largeSize, 'its head has another size');
      const offset = Math.min(PART_SIZE, Math.floor(subject.largeSize / 2)) - 1000;
      ensureBytes(
        await subject.range(key, offset, 2000),
        bytes.subarray(offset, offset + 2000),
        'a range over two parts',
      );
      ensureBytes((await subject.get(key))?.bytes, bytes, 'the object');
    },
  },
  {
    ...required,
    name: 'deleting is final, and deleting again is no error',
    neededFor: 'removing WAL and layers that nobody needs',
    async check(subject) {
      const [key, other] = [subject.key('deleted'), subject.key('deleted-not')];
      for (const each of [key, other]) await subject.put(each, someBytes(10));
      await subject.delete(key);
      await subject.delete(key);
      ensure((await subject.head(key)) === null, 'it is there');
      ensure((await subject.head(other)) !== null, 'another one was deleted too');
    },
  },
  {
    ...required,
    name: 'many objects are deleted with one request',
    neededFor: 'deleting timelines',
    async check(subject) {
      const keys = Array.from({ length: 40 }, (_, index) => subject.key('batch', `n${index}`));
      for (const key of keys) await subject.put(key, Buffer.from(key));
      const [kept, ...deleted] = keys;
      await subject.deleteMany([...deleted, subject.key('batch', 'never-there')]);
      const left = await subject.keysOf('batch/');
      ensure(left.length === 1 && left[0] === kept, `${left.length} objects are left instead of 1`);
    },
  },
  {
    ...required,
    name: 'an aborted put ends at once, and leaves the object whole or absent',
    neededFor: everything,
    async check(subject) {
      const key = subject.key('aborted');
      const reason = new Error('aborted by the suite');
      await ensureAborted(subject.put(key, someBytes(10), { signal: AbortSignal.abort(reason) }), reason);
      ensure((await subject.head(key)) === null, 'a put that was aborted before it began has put something');
      const bytes = someBytes(subject.largeSize);
      const controller = new AbortController();
      const putting = subject.put(key, bytes, { signal: controller.signal });
      const timer = setTimeout(() => controller.abort(reason), 20);
      try {
        await ensureAborted(putting, reason);
      } finally {
        clearTimeout(timer);
      }
      const found = await subject.get(key);
      if (found !== null) ensureBytes(found.bytes, bytes, 'the object');
    },
  },
  {
    isRequired: false,
    name: 'an object keeps its checksum, and a read is compared with it',
    neededFor: 'noticing damage on the way from the store; formats have checksums of their own besides',
    async check(subject) {
      const key = subject.key('verified');
      await subject.put(key, someBytes(1000));
      const found = await subject.get(key);
      if (found?.isVerified !== true) throw new NotSupported('metadata of objects is not kept');
    },
  },
];

/** @throws Error when it failed otherwise; it may have been faster than the abort */
async function ensureAborted(putting: Promise<void>, reason: Error): Promise<void> {
  try {
    await putting;
  } catch (error) {
    if (error !== reason) throw new Error(`it failed with ${String(error)}`, { cause: error });
  }
}
