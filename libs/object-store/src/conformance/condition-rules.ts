/** Rules about puts that depend on there being no object. */
import type { ObjectKey } from '../object-key';
import type { ConformanceRule } from './rule';
import { NotSupported, type Subject, ensure, ensureBytes, refusalOf, someBytes } from './subject';

const RACES = 10;
const WRITERS = 4;
const optional = {
  isRequired: false,
  // Of the product, only one service at a time puts under a key, and never two contents.
  neededFor: 'stopping a second installation that was given the same prefix by mistake',
} as const;

export const conditionRules: readonly ConformanceRule[] = [
  {
    ...optional,
    name: 'a put that must not replace does not',
    async check(subject) {
      const key = subject.key('if-absent');
      await refuseSecond(subject, key, 100);
    },
  },
  {
    ...optional,
    name: `of ${WRITERS} writers at once, each of which must not replace, exactly one wins`,
    async check(subject) {
      await refuseSecond(subject, subject.key('race', 'sequential'), 100);
      for (let race = 0; race < RACES; race++) {
        const key = subject.key('race', `n${race}`);
        const contents = Array.from({ length: WRITERS }, () => someBytes(1000));
        const codes = await Promise.all(
          contents.map((bytes) => refusalOf(subject.put(key, bytes, { ifAbsent: true }))),
        );
        const winners = contents.filter((_, index) => codes[index] === undefined);
        ensure(winners.length === 1, `race ${race} had ${winners.length} winners`);
        ensure(
          codes.every((code) => code === undefined || code === 'ObjectExists'),
          `a loser was told ${codes.join(', ')}`,
        );
        ensureBytes((await subject.get(key))?.bytes, winners[0] ?? new Uint8Array(), "the winner's object");
      }
    },
  },
  {
    ...optional,
    name: 'a put in parts that must not replace does not',
    async check(subject) {
      const key = subject.key('if-absent-large');
      await refuseSecond(subject, key, subject.largeSize);
    },
  },
];

async function refuseSecond(subject: Subject, key: ObjectKey, size: number): Promise<void> {
  const bytes = someBytes(100);
  const first = await refusalOf(subject.put(key, bytes, { ifAbsent: true }));
  if (first === 'NotSupportedByObjectStore') throw new NotSupported('the server says so');
  ensure(first === undefined, `the first put was refused: ${first}`);
  const second = await refusalOf(subject.put(key, someBytes(size), { ifAbsent: true }));
  if (second === undefined) throw new NotSupported('the condition is ignored');
  if (second === 'NotSupportedByObjectStore') throw new NotSupported('the server says so');
  ensure(second === 'ObjectExists', `the second put was refused with ${second}`);
  ensureBytes((await subject.get(key))?.bytes, bytes, 'the first object');
}
