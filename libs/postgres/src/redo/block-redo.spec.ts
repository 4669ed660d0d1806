import { Corrupt } from '@neon/kernel';
import fc from 'fast-check';
import { addItem, addItemInPlace, pieceOf } from '../page/bufpage';
import { GistFlag, gistFlags, initGistPage } from '../page/gist-page';
import { HashFlag, initHashPage, initUnbucketedPage } from '../page/hash-page';
import { HEAP_TUPLE_HEADER_SIZE, Infomask, setTupleInfomask, tupleInfomask, tupleInfomask2 } from '../page/heap-tuple';
import {
  ItemState,
  itemAt,
  itemLength,
  itemState,
  linePointer,
  linePointerCount,
  setLinePointer,
  DEAD_POINTER,
  UNUSED_POINTER,
} from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { BtreeFlag, btreeFlags, initBtreePage, setBtreeCycleId } from '../page/nbtree-page';
import { PAGE_SIZE, PageFlag, initPage, pageFlags, pageLsn } from '../page/page-header';
import { TupleState, adjustRedirects, initSpgistPage } from '../page/spgist-page';
import { setVisibilityBits, visibilityBits } from '../page/visibility-map';
import { POSTGRES_MAJORS } from '../versions';
import { type BlockDraft } from '../wal/encoder';
import { Fork, type PostgresMajor } from '../wal/record';
import { END_LSN, RELATION, join, redoOne, shorts, words } from '../testing/redo-one';
import { Rmgr } from '../wal/rmgr';
import { UnsupportedRecord } from './change';

const block = (id: number, rest: Partial<BlockDraft> = {}): BlockDraft => ({
  id,
  relation: RELATION,
  block: 7,
  ...rest,
});

function heapPage(tupleCount: number): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  initPage(page);
  for (let number = 1; number <= tupleCount; number++) {
    const tuple = new Uint8Array(HEAP_TUPLE_HEADER_SIZE + 9);
    tuple[22] = 24;
    addItemInPlace(page, pieceOf(tuple), number);
    setTupleInfomask(page, itemAt(page, number), Infomask.XMAX_INVALID);
  }
  return page;
}

const states = (page: Uint8Array): number[] =>
  Array.from({ length: linePointerCount(page) }, (_, index) => itemState(linePointer(page, index + 1)));
const { UNUSED, NORMAL, REDIRECT, DEAD } = ItemState;

describe('pruning', () => {
  test.each([14, 15, 16] as const)(
    'of Postgres %d takes counts from main data and offset numbers from block data',
    (major) => {
      const main = join(words(700), shorts(1, 1), major === 16 ? Uint8Array.of(0) : new Uint8Array(0));
      const draft = { rmid: Rmgr.HEAP2, info: 0x10, main, blocks: [block(0, { data: shorts(1, 2, 3, 5) })] };
      const page = redoOne(draft, heapPage(5), { major });
      expect(states(page)).toEqual(
        major === 14 ? [REDIRECT, NORMAL, DEAD, NORMAL, UNUSED] : [REDIRECT, NORMAL, DEAD, NORMAL],
      );
      expect(pageLsn(page)).toBe(END_LSN);
    },
  );

  test('of Postgres 17 comes in one format with freezing', () => {
    const plan = join(words(0), shorts(1, Infomask.XMIN_FROZEN, 0, 2));
    const data = join(shorts(1, 0), plan, shorts(1, 1, 2), shorts(1, 3), shorts(1, 5), shorts(2, 4));
    const main = join(Uint8Array.of(0, 0xf4 | 8), words(700));
    const page = redoOne({ rmid: Rmgr.HEAP2, info: 0x20, main, blocks: [block(0, { data })] }, heapPage(5));
    expect(states(page)).toEqual([REDIRECT, NORMAL, DEAD, NORMAL]);
    expect([2, 4].map((number) => tupleInfomask(page, itemAt(page, number)))).toEqual([0x300, 0x300]);
    expect([4, 2].map((number) => itemAt(page, number))).toEqual([PAGE_SIZE - 64, PAGE_SIZE - 32]);
    expect(pageLsn(page)).toBe(END_LSN);
  });

  test.each([0x10, 0x20, 0x30])(
    'of Postgres 17 is the same by operation %i, and may be of dead tuples alone',
    (info) => {
      const data = shorts(1, 2);
      const page = redoOne(
        { rmid: Rmgr.HEAP2, info, main: Uint8Array.of(0, 0x44), blocks: [block(0, { data })] },
        heapPage(3),
      );
      expect(states(page)).toEqual([NORMAL, DEAD, NORMAL]);
      expect(itemAt(page, 3)).toBe(PAGE_SIZE - 64);
    },
  );

  test.each([0x10, 0x14])('of Postgres 17 that only freezes (flags %i) leaves line pointers alone', (flags) => {
    const page = heapPage(3);
    setLinePointer(page, 3, UNUSED_POINTER);
    const data = join(shorts(1, 0), words(0), shorts(1, Infomask.XMIN_FROZEN, 0, 1), shorts(2));
    redoOne({ rmid: Rmgr.HEAP2, info: 0x20, main: Uint8Array.of(0, flags), blocks: [block(0, { data })] }, page);
    expect(states(page)).toEqual([NORMAL, NORMAL, UNUSED]);
    expect(pageLsn(page)).toBe(END_LSN);
  });

  test('without a cleanup lock frees line pointers and moves nothing', () => {
    const page = heapPage(3);
    for (const dead of [1, 3]) setLinePointer(page, dead, DEAD_POINTER);
    const before = itemAt(page, 2);
    redoOne(
      { rmid: Rmgr.HEAP2, info: 0x30, main: Uint8Array.of(0, 0x80), blocks: [block(0, { data: shorts(2, 1, 3) })] },
      page,
    );
    expect(states(page)).toEqual([UNUSED, NORMAL]);
    expect(itemAt(page, 2)).toBe(before);
  });

  test.each([14, 15, 16] as const)('by the second pass of vacuum of Postgres %d is a record of its own', (major) => {
    const page = heapPage(3);
    setLinePointer(page, 2, DEAD_POINTER);
    redoOne({ rmid: Rmgr.HEAP2, info: 0x20, main: shorts(1), blocks: [block(0, { data: shorts(2) })] }, page, {
      major,
    });
    expect(states(page)).toEqual([NORMAL, UNUSED, NORMAL]);
    expect(pageFlags(page) & PageFlag.HAS_FREE_LINES).not.toBe(0);
    expect(pageLsn(page)).toBe(END_LSN);
  });
});

describe('freezing', () => {
  /** xmax, infomask2, infomask of tuples 1 to 3, and where the page ends up. */
  const frozen = (page: Uint8Array): number[] => [
    ...[1, 2, 3].flatMap((number) => {
      const at = itemAt(page, number);
      return [readU32(page, at + 4), tupleInfomask2(page, at), tupleInfomask(page, at)];
    }),
    pageLsn(page),
  ];
  const expected = [0, 5, 0x300, 0, 0, Infomask.XMAX_INVALID, 9, 6, 0x310, END_LSN];

  test.each([14, 15] as const)('of Postgres %d names each tuple with its fields', (major) => {
    const data = join(words(0), shorts(1, 5, 0x300, 0), words(9), shorts(3, 6, 0x310, 0));
    const draft = { rmid: Rmgr.HEAP2, info: 0x30, main: join(words(700), shorts(2)), blocks: [block(0, { data })] };
    expect(frozen(redoOne(draft, heapPage(3), { major }))).toEqual(expected);
  });

  const plans = join(words(0), shorts(5, 0x300, 0, 1), words(9), shorts(6, 0x310, 0, 1));

  test('of Postgres 16 groups tuples by plan', () => {
    const main = join(words(700), shorts(2), Uint8Array.of(0));
    const blocks = [block(0, { data: join(plans, shorts(1, 3)) })];
    const page = redoOne({ rmid: Rmgr.HEAP2, info: 0x30, main, blocks }, heapPage(3), { major: 16 });
    expect(frozen(page)).toEqual(expected);
  });

  test('of Postgres 17 does so too, in one record with pruning', () => {
    const blocks = [block(0, { data: join(shorts(2, 0), plans, shorts(1, 3)) })];
    const page = redoOne({ rmid: Rmgr.HEAP2, info: 0x20, main: Uint8Array.of(0, 0x10), blocks }, heapPage(3));
    expect(frozen(page)).toEqual(expected);
  });
});

describe('visibility', () => {
  const visible = { rmid: Rmgr.HEAP2, info: 0x40, main: join(words(700), Uint8Array.of(3)) };
  const blocks = [block(0, { fork: Fork.VISIBILITY_MAP, block: 0 }), block(1)];

  test.each(POSTGRES_MAJORS)('of %d is set on the heap page without its LSN, unless hint bits are logged', (major) => {
    const draft = { ...visible, blocks };
    expect(pageLsn(redoOne(draft, heapPage(1), { blockId: 1, major }))).toBe(0);
    expect(pageLsn(redoOne(draft, heapPage(1), { blockId: 1, walLogHints: true, major }))).toBe(END_LSN);
  });

  test('is set on a map page that did not exist, and leaves one alone that says it already', () => {
    const map = redoOne({ ...visible, blocks }, new Uint8Array(PAGE_SIZE));
    expect(visibilityBits(map, 7)).toBe(3);
    expect(pageLsn(map)).toBe(END_LSN);
    const same = new Uint8Array(PAGE_SIZE);
    initPage(same);
    setVisibilityBits(same, 7, 3);
    expect(pageLsn(redoOne({ ...visible, blocks }, same))).toBe(0);
  });

  test('is cleared on a map page that a record names, for both blocks of an update', () => {
    const main = join(words(0), shorts(1), Uint8Array.of(0, 0x03), words(0), shorts(2));
    const map = block(2, { fork: Fork.VISIBILITY_MAP, block: 0 });
    const draft = { rmid: Rmgr.HEAP, info: 0x20, main, blocks: [block(0), block(1, { block: 9 }), map] };
    const page = new Uint8Array(PAGE_SIZE);
    initPage(page);
    for (const heapBlock of [7, 8, 9]) setVisibilityBits(page, heapBlock, 3);
    redoOne(draft, page, { blockId: 2 });
    expect([7, 8, 9].map((heapBlock) => visibilityBits(page, heapBlock))).toEqual([0, 3, 0]);
    expect(pageLsn(page)).toBe(END_LSN);
  });
});

describe('offset numbers behind a header that grew in Postgres 16', () => {
  const before = (major: PostgresMajor): boolean => major < 16;

  test.each(POSTGRES_MAJORS)('Gist/DELETE of %d', (major) => {
    const page = new Uint8Array(PAGE_SIZE);
    initGistPage(page, GistFlag.LEAF | GistFlag.HAS_GARBAGE);
    for (const number of [1, 2, 3]) addItem(page, pieceOf(new Uint8Array(16).fill(number)), number);
    const main = join(words(700), shorts(1), before(major) ? shorts(2) : shorts(0, 2));
    redoOne({ rmid: Rmgr.GIST, info: 0x10, main, blocks: [block(0)] }, page, { major });
    expect(linePointerCount(page)).toBe(2);
    expect(page[itemAt(page, 2)]).toBe(3);
    expect(gistFlags(page)).toBe(GistFlag.LEAF | GistFlag.TUPLES_DELETED);
  });

  test.each(POSTGRES_MAJORS)('Hash/VACUUM_ONE_PAGE of %d', (major) => {
    const page = new Uint8Array(PAGE_SIZE);
    initHashPage(page, { previous: 0, bucket: 0, flags: HashFlag.BUCKET });
    for (const number of [1, 2]) addItem(page, pieceOf(new Uint8Array(16).fill(number)), number);
    const main = join(words(700), before(major) ? words(1) : shorts(1, 0), shorts(1));
    redoOne({ rmid: Rmgr.HASH, info: 0xc0, main, blocks: [block(0), block(1, { block: 0 })] }, page, { major });
    expect(page[itemAt(page, 1)]).toBe(2);
  });

  test.each(POSTGRES_MAJORS)('SPGist/VACUUM_REDIRECT of %d', (major) => {
    const page = new Uint8Array(PAGE_SIZE);
    initSpgistPage(page, 0);
    addItem(page, pieceOf(words((16 << 2) | TupleState.REDIRECT, 0, 0, 700)), 1);
    adjustRedirects(page, 1);
    const main = join(shorts(1, 0), words(700), before(major) ? shorts(1) : shorts(0, 1));
    redoOne({ rmid: Rmgr.SPGIST, info: 0x80, main, blocks: [block(0)] }, page, { major });
    expect((page[itemAt(page, 1)] as number) & 3).toBe(TupleState.PLACEHOLDER);
  });
});

test.each([
  [17, 5],
  [18, 0],
] as const)('Btree/VACUUM of %d leaves the cycle id %d', (major, cycleId) => {
  const page = new Uint8Array(PAGE_SIZE);
  initBtreePage(page, { previous: 0, next: 0, level: 0, flags: BtreeFlag.LEAF | BtreeFlag.HAS_GARBAGE });
  setBtreeCycleId(page, 5);
  addItem(page, pieceOf(new Uint8Array(16)), 1);
  redoOne({ rmid: Rmgr.BTREE, info: 0xc0, main: shorts(1, 0), blocks: [block(0, { data: shorts(1) })] }, page, {
    major,
  });
  expect(linePointerCount(page)).toBe(0);
  expect(btreeFlags(page)).toBe(BtreeFlag.LEAF);
  expect(readU16(page, PAGE_SIZE - 2)).toBe(cycleId);
});

test('Hash/SQUEEZE_PAGE stamps a page it does not change only before 17', () => {
  const main = join(words(1, 2), shorts(0), Uint8Array.of(1, 0));
  const draft = { rmid: Rmgr.HASH, info: 0x80, main, blocks: [block(1)] };
  const make = () => {
    const page = new Uint8Array(PAGE_SIZE);
    initUnbucketedPage(page, HashFlag.BUCKET);
    return page;
  };
  expect(pageLsn(redoOne(draft, make(), { blockId: 1, major: 16 }))).toBe(END_LSN);
  expect(pageLsn(redoOne(draft, make(), { blockId: 1, major: 17 }))).toBe(0);
});

test('a Generic record puts pieces on a page and clears what lies between its bounds', () => {
  const page = heapPage(1).fill(9, 40, 60);
  const data = join(shorts(8190, 2), Uint8Array.of(1, 2));
  redoOne({ rmid: Rmgr.GENERIC, info: 0, blocks: [block(0, { data })] }, page);
  expect([page[8190], page[8191], page[50]]).toEqual([1, 2, 0]);
});

/** A page of noise, the same for the same seed; half of them with a plausible header. */
function noise(seed: number): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  let state = seed | 1;
  for (let at = 0; at < PAGE_SIZE; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    page[at] = state;
  }
  if (seed % 4 > 0) page.set(shorts(0, 24 + (seed % 40) * 4, 4000, 8176), 10);
  return page;
}

describe('a record that makes no sense', () => {
  test('of a resource manager that names no blocks is refused', () => {
    expect(() => redoOne({ rmid: Rmgr.STANDBY, info: 0, blocks: [block(0)] }, heapPage(1))).toThrow(Corrupt);
  });

  test.each([
    ['a prefix', 0x20, shorts(10)],
    ['a suffix', 0x40, shorts(10)],
    ['a prefix and a suffix', 0x60, shorts(5, 4)],
  ])('an update that shares %s with the old version which that one does not have is refused', (_, flags, common) => {
    const main = join(words(700), shorts(1), Uint8Array.of(0, flags), words(0), shorts(2));
    const data = join(common, shorts(1, 0), Uint8Array.of(24, 0, 7));
    expect(() => redoOne({ rmid: Rmgr.HEAP, info: 0x40, main, blocks: [block(0, { data })] }, heapPage(1))).toThrow(
      Corrupt,
    );
  });

  test('an update takes what it shares with the old version from there', () => {
    const page = heapPage(1);
    page.set(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), itemAt(page, 1) + 24);
    const main = join(words(700), shorts(1), Uint8Array.of(0, 0x60), words(0), shorts(2));
    const data = join(shorts(3, 2), shorts(1, 0), Uint8Array.of(24, 0, 9, 9));
    redoOne({ rmid: Rmgr.HEAP, info: 0x40, main, blocks: [block(0, { data })] }, page);
    const at = itemAt(page, 2);
    expect([...page.subarray(at + 23, at + 31)]).toEqual([0, 1, 2, 3, 9, 9, 7, 8]);
    expect(itemLength(linePointer(page, 2))).toBe(31);
    const byte = join(shorts(1), shorts(1, 0), Uint8Array.of(24, 0, 9));
    const prefix = join(words(700), shorts(1), Uint8Array.of(0, 0x20), words(0), shorts(3));
    redoOne({ rmid: Rmgr.HEAP, info: 0x40, main: prefix, blocks: [block(0, { data: byte })] }, page);
    expect([...page.subarray(itemAt(page, 3) + 23, itemAt(page, 3) + 26)]).toEqual([0, 1, 9]);
  });

  test('of an unknown operation is refused by name', () => {
    for (const [rmid, info] of [
      [Rmgr.HEAP2, 0x70],
      [Rmgr.BTREE, 0xf0],
      [Rmgr.HASH, 0xd0],
      [Rmgr.GIN, 0xf0],
      [Rmgr.GIST, 0xf0],
      [Rmgr.SPGIST, 0x90],
      [Rmgr.BRIN, 0x60],
      [Rmgr.SEQUENCE, 0x10],
    ] as const)
      expect(() => redoOne({ rmid, info, blocks: [block(0, { willInit: true })] }, heapPage(1))).toThrow(
        UnsupportedRecord,
      );
  });

  test('never changes anything but the page, ends, and fails as Corrupt if it fails', () => {
    const rmids = [
      Rmgr.HEAP,
      Rmgr.HEAP2,
      Rmgr.BTREE,
      Rmgr.HASH,
      Rmgr.GIN,
      Rmgr.GIST,
      Rmgr.SPGIST,
      Rmgr.BRIN,
      Rmgr.SEQUENCE,
      Rmgr.GENERIC,
    ];
    const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
    const anyPage = fc.oneof(
      fc.constant(new Uint8Array(PAGE_SIZE)),
      fc.constant(heapPage(4)),
      fc.integer({ min: 1 }).map(noise),
    );
    fc.assert(
      fc.property(
        fc.record({
          rmid: fc.constantFrom(...rmids),
          info: fc.integer({ min: 0, max: 15 }),
          main: bytes(60),
          data: bytes(80),
          blockId: fc.integer({ min: 0, max: 4 }),
          page: anyPage,
          major: fc.constantFrom(...POSTGRES_MAJORS),
        }),
        ({ rmid, info, main, data, blockId, page, major }) => {
          const blocks = [0, 1, 2, 3, 4].map((id) => block(id, { block: id, ...(id === blockId ? { data } : {}) }));
          const target = page.slice();
          try {
            redoOne({ rmid, info: info << 4, main, blocks }, target, { major, blockId });
          } catch (error) {
            expect(
              error instanceof Corrupt || error instanceof UnsupportedRecord ? '' : String((error as Error).stack),
            ).toBe('');
          }
          expect(target.length).toBe(PAGE_SIZE);
          expect(readU32(target, 0)).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
