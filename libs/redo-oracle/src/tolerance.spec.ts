import { Fork, PAGE_SIZE, type Mismatch } from '@neon/postgres';
import {
  bloomInitNotLogged,
  emptyMapNotLogged,
  imageClearedEarly,
  initForkWrittenFirst,
  isToleratedAtEnd,
  replayLostBits,
} from './tolerance';

const page = (...bytes: readonly [at: number, value: number][]): Uint8Array => {
  const content = new Uint8Array(PAGE_SIZE);
  for (const [at, value] of bytes) content[at] = value;
  return content;
};
const mismatch = (kind: Mismatch['kind'], expected: Uint8Array, actual: Uint8Array): Mismatch => ({
  kind,
  expected,
  actual,
  offset: 0,
  byteCount: 1,
});

test('T1: the image of a visibility map may lack bits that replay has yet to clear', () => {
  const lacking = mismatch('visibility-map', page([30, 0b0001]), page([30, 0b0101]));
  expect([imageClearedEarly(lacking), replayLostBits(lacking)]).toEqual([true, false]);
});

test('T2: replay may lack bits, and then has no bit that the server does not', () => {
  const lost = mismatch('visibility-map', page([30, 0b0101]), page([30, 0b0001]));
  expect([imageClearedEarly(lost), replayLostBits(lost)]).toEqual([false, true]);
  const invented = mismatch('visibility-map', page([30, 0b0001]), page([30, 0b0010]));
  expect([imageClearedEarly(invented), replayLostBits(invented)]).toEqual([false, false]);
});

test('neither holds for pages that are no visibility maps', () => {
  const heap = mismatch('heap', page([30, 0b0001]), page([30, 0b0101]));
  expect([imageClearedEarly(heap), replayLostBits(heap)]).toEqual([false, false]);
});

test('T3: an init fork of bloom may replay as empty, nothing else may', () => {
  const bloom = page([PAGE_SIZE - 2, 0x83], [PAGE_SIZE - 1, 0xff], [40, 1]);
  const empty = page();
  expect(bloomInitNotLogged(mismatch('generic', bloom, empty), Fork.INIT)).toBe(true);
  expect(bloomInitNotLogged(mismatch('generic', bloom, empty), Fork.MAIN)).toBe(false);
  expect(bloomInitNotLogged(mismatch('generic', bloom, page([40, 2])), Fork.INIT)).toBe(false);
  expect(bloomInitNotLogged(mismatch('generic', page([40, 1]), empty), Fork.INIT)).toBe(false);
});

test('T4: a visibility map page without a bit may replay as zeros, one with a bit may not', () => {
  const header = page([12, 0x18], [14, 0x00], [15, 0x20]);
  expect(emptyMapNotLogged(mismatch('visibility-map', header, page()))).toBe(true);
  expect(emptyMapNotLogged(mismatch('visibility-map', page([12, 0x18], [24, 1]), page()))).toBe(false);
  expect(emptyMapNotLogged(mismatch('visibility-map', header, page([24, 1])))).toBe(false);
  expect(emptyMapNotLogged(mismatch('heap', header, page()))).toBe(false);
});

test('T5: before 16 a page of an init fork may have no LSN where its replay has one, and nothing else', () => {
  const written = page([12, 0x48]);
  const replayed = mismatch('btree', written, page([0, 1], [7, 2], [12, 0x48]));
  expect(initForkWrittenFirst(replayed, { fork: Fork.INIT, major: 15 })).toBe(true);
  expect(initForkWrittenFirst(replayed, { fork: Fork.INIT, major: 16 })).toBe(false);
  expect(initForkWrittenFirst(replayed, { fork: Fork.MAIN, major: 15 })).toBe(false);
  const otherwise = mismatch('btree', written, page([0, 1], [12, 0x49]));
  expect(initForkWrittenFirst(otherwise, { fork: Fork.INIT, major: 15 })).toBe(false);
  const olderLsn = mismatch('btree', page([0, 1], [12, 0x48]), page([0, 2], [12, 0x48]));
  expect(initForkWrittenFirst(olderLsn, { fork: Fork.INIT, major: 15 })).toBe(false);
});

test('T2: lost bits are accepted at the end of a run in databases that were logged that way, and no others', () => {
  const lost = mismatch('visibility-map', page([30, 0b0101]), page([30, 0b0001]));
  const place = { fork: Fork.VISIBILITY_MAP, major: 17, loggedDatabases: new Set([5]) } as const;
  expect(isToleratedAtEnd(lost, { ...place, relation: { databaseOid: 5 } })).toBe(true);
  expect(isToleratedAtEnd(lost, { ...place, relation: { databaseOid: 6 } })).toBe(false);
  const early = mismatch('visibility-map', page([30, 0b0001]), page([30, 0b0101]));
  expect(isToleratedAtEnd(early, { ...place, relation: { databaseOid: 5 } })).toBe(false);
});
