/** Rules about lists. */
import type { ObjectKey } from '../object-key';
import { DELETE_COUNT_MAX } from '../object-store';
import type { ConformanceRule } from './rule';
import { ensure, forEach, sameKeys, someBytes } from './subject';

/** More than any server puts on one page. */
const MANY = 1_050;
const ROUNDS = 10;
const required = { isRequired: true } as const;

export const listRules: readonly ConformanceRule[] = [
  {
    ...required,
    name: 'a list after a put or a delete shows it',
    neededFor: 'finding what a crashed service had archived',
    async check(subject) {
      const keys: ObjectKey[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const key = subject.key('list-after-write', `n${round}`);
        await subject.put(key, someBytes(round + 1));
        keys.push(key);
        ensure(sameKeys(await subject.keysOf('list-after-write/'), keys), `after put ${round} the list is another one`);
      }
      for (let key = keys.shift(); key !== undefined; key = keys.shift()) {
        await subject.delete(key);
        ensure(
          sameKeys(await subject.keysOf('list-after-write/'), keys),
          `after deleting ${key} the list is another one`,
        );
      }
    },
  },
  {
    ...required,
    name: 'a list has what begins with its prefix, with sizes, in the order of bytes',
    neededFor: 'finding the WAL of a timeline',
    async check(subject) {
      const inOrder = ['B', 'a', 'a-1', 'a.1', 'a/1', 'a/1/2', 'a1', 'a_', 'b'];
      await forEach(inOrder, (name) => subject.put(subject.key('order', ...name.split('/')), someBytes(name.length)));
      const expected = (begin: string): string[] => inOrder.filter((name) => name.startsWith(begin));
      for (const begin of ['', 'a', 'a/', 'a/1', 'c']) {
        const found = await subject.list(`order/${begin}`);
        const names = found.map(({ key }) => key.slice(subject.prefix('order/').length));
        ensure(names.join(' ') === expected(begin).join(' '), `with ${begin || 'no'} prefix: ${names.join(' ')}`);
        ensure(
          found.every(({ size }, index) => size === names[index]?.length),
          'the sizes are others',
        );
      }
    },
  },
  {
    ...required,
    name: `a list of ${MANY} objects has each of them once, over several pages`,
    neededFor: 'timelines with more than 1,000 objects (16 GiB of WAL)',
    async check(subject) {
      const keys = Array.from({ length: MANY }, (_, index) => subject.key('many', index.toString().padStart(6, '0')));
      await forEach(keys, (key) => subject.put(key, Buffer.from('x')));
      ensure(MANY > DELETE_COUNT_MAX, 'they fit one batch');
      const found = await subject.keysOf('many/');
      ensure(
        sameKeys(found, keys),
        `${found.length} keys, ${new Set(found).size} different, instead of ${MANY} in order`,
      );
      await subject.deleteMany(keys);
      const left = await subject.keysOf('many/');
      ensure(left.length === 0, `${left.length} are left after they were deleted`);
    },
  },
];
