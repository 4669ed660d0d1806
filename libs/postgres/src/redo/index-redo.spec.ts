/** What index records do that a server seldom writes: rare shapes of splits, bitmaps, lists, and marks that hints hide. */
import { Lsn } from '@neon/kernel';
import { BrinPageType, initBrinPage, setLastRevmapPage } from '../page/brin-page';
import { addItem, pieceOf } from '../page/bufpage';
import {
  GIN_DATA_AT,
  GinFlag,
  addPostingItem,
  deletePostingItem,
  ginDataSize,
  ginFlags,
  ginMaxOffset,
  initGinPage,
  setGinDataSize,
  setGinMaxOffset,
} from '../page/gin-page';
import { decodeSegment } from '../page/gin-posting-list';
import { GistFlag, gistFlags, gistNsn, initGistPage, setGistFlags, setGistNsn } from '../page/gist-page';
import { HashFlag, hashFlags, initHashPage, setHashFlags } from '../page/hash-page';
import { setIndexTupleInfo } from '../page/index-tuple';
import { writeItemPointer } from '../page/item-pointer';
import { itemAt, linePointerCount } from '../page/line-pointer';
import { readU16, readU32, writeU32 } from '../page/little-endian';
import { BtreeFlag, btreeFlags, initBtreePage, setBtreeCycleId, setBtreeNext } from '../page/nbtree-page';
import { formPosting, heapTids } from '../page/nbtree-posting';
import {
  INVALID_BLOCK,
  PAGE_SIZE,
  pageLower,
  pageLsn,
  pageSpecial,
  setPageLower,
  setPageLsn,
} from '../page/page-header';
import { SpgistFlag, TupleState, adjustPlaceholders, initSpgistPage } from '../page/spgist-page';
import { type BlockDraft, type RecordDraft } from '../wal/encoder';
import { END_LSN, RELATION, join, redoOne, shorts, words } from '../testing/redo-one';
import { Rmgr } from '../wal/rmgr';
import { UnsupportedRecord } from './change';

const block = (id: number, rest: Partial<BlockDraft> = {}): BlockDraft => ({
  id,
  relation: RELATION,
  block: 10 + id,
  ...rest,
});

const redo = (draft: RecordDraft, page: Uint8Array, blockId = 0): Uint8Array => redoOne(draft, page, { blockId });

function pageOf(build: (page: Uint8Array) => void): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  build(page);
  return page;
}
/** A page of another kind, full of what must not stay. */
const usedPage = (): Uint8Array => new Uint8Array(PAGE_SIZE).fill(0xee);

/** A leaf tuple whose heap tid is (0, offset number), with a key of one byte. */
function indexTuple(offsetNumber: number, key = 7): Uint8Array {
  const tuple = new Uint8Array(16).fill(key);
  writeItemPointer(tuple, 0, { block: 0, offsetNumber });
  setIndexTupleInfo(tuple, 0, 16);
  return tuple;
}
const withTuples = (page: Uint8Array, ...tuples: readonly Uint8Array[]): Uint8Array => {
  tuples.forEach((tuple, index) => addItem(page, pieceOf(tuple), index + 1));
  return page;
};

describe('GIN', () => {
  const OFFSET_NUMBERS = 2048;
  const postingLeaf = (...tids: readonly number[]): Uint8Array =>
    pageOf((page) => {
      initGinPage(page, GinFlag.DATA | GinFlag.LEAF);
      setGinMaxOffset(page, tids.length);
      tids.forEach((tid, index) =>
        writeItemPointer(page, GIN_DATA_AT + index * 6, {
          block: Math.floor(tid / OFFSET_NUMBERS),
          offsetNumber: tid % OFFSET_NUMBERS,
        }),
      );
    });

  test.each([[[]], [[2049]], [[1, 2, 2049]]])(
    'a leaf from before 9.4, with tuple ids %j one by one, is compressed before it changes',
    (tids: readonly number[]) => {
      const page = redo({ rmid: Rmgr.GIN, info: 0x90, blocks: [block(0, { data: shorts(0) })] }, postingLeaf(...tids));
      expect(ginFlags(page)).toBe(GinFlag.DATA | GinFlag.LEAF | GinFlag.COMPRESSED);
      expect(ginMaxOffset(page)).toBe(0);
      const size = ginDataSize(page);
      expect(size === 0 ? [] : decodeSegment(page, GIN_DATA_AT, GIN_DATA_AT + size)).toEqual(tids);
    },
  );

  test('a leaf whose lists are compressed already is left as it is, whatever maxoff says', () => {
    const page = pageOf((empty) => {
      initGinPage(empty, GinFlag.DATA | GinFlag.LEAF | GinFlag.COMPRESSED);
      setGinDataSize(empty, 0);
      setGinMaxOffset(empty, 5);
    });
    expect(ginMaxOffset(redo({ rmid: Rmgr.GIN, info: 0x90, blocks: [block(0, { data: shorts(0) })] }, page))).toBe(5);
  });

  test('a posting tree begins with as many bytes of lists as it says', () => {
    const main = join(words(2), Uint8Array.of(1, 2, 3, 4));
    const page = redo({ rmid: Rmgr.GIN, info: 0x10, main, blocks: [block(0, { willInit: true })] }, usedPage());
    expect([...page.subarray(GIN_DATA_AT, GIN_DATA_AT + 4)]).toEqual([1, 2, 0, 0]);
    expect(ginDataSize(page)).toBe(2);
  });

  test('children of a posting tree page move by their own size, and nothing behind them', () => {
    const page = pageOf((empty) => {
      initGinPage(empty, GinFlag.DATA);
      setGinMaxOffset(empty, 2);
      setGinDataSize(empty, 20);
      empty.fill(1, GIN_DATA_AT, GIN_DATA_AT + 10).fill(2, GIN_DATA_AT + 10, GIN_DATA_AT + 20);
      empty.set(
        Array.from({ length: 40 }, (_, index) => 100 + index),
        GIN_DATA_AT + 20,
      );
    });
    const dataOf = (size: number): number[] => [...page.subarray(GIN_DATA_AT, GIN_DATA_AT + size)];
    const item = (fill: number): number[] => new Array<number>(10).fill(fill);
    addPostingItem(page, 1, new Uint8Array(10).fill(3));
    expect(dataOf(32)).toEqual([...item(3), ...item(1), ...item(2), 110, 111]);
    deletePostingItem(page, 2);
    expect(dataOf(32)).toEqual([...item(3), ...item(2), ...item(2), 110, 111]);
  });

  test('pages of a pending list become deleted ones, and the metapage what the record says', () => {
    const meta = new Uint8Array(56).fill(5);
    const draft = { rmid: Rmgr.GIN, info: 0x80, main: join(meta, words(0x01010101)), blocks: [block(0), block(1)] };
    const expected = pageOf((page) => {
      initGinPage(page, GinFlag.META);
      page.set(meta, 24);
      setPageLower(page, 80);
      setPageLsn(page, END_LSN);
    });
    const initialized = { ...draft, blocks: draft.blocks.map((each) => ({ ...each, willInit: true })) };
    expect(redo(initialized, usedPage())).toEqual(expected);
    expect(ginFlags(redo(initialized, usedPage(), 1))).toBe(GinFlag.DELETED);
  });

  test('a split without images is refused but for the child', () => {
    const split = { rmid: Rmgr.GIN, info: 0x30, main: new Uint8Array(40), blocks: [block(0), block(3)] };
    const page = pageOf((child) => initGinPage(child, GinFlag.INCOMPLETE_SPLIT | GinFlag.LEAF));
    expect(() => redo(split, page)).toThrow(UnsupportedRecord);
    expect(ginFlags(redo(split, page, 3))).toBe(GinFlag.LEAF);
  });
});

describe('GiST', () => {
  const leaf = (): Uint8Array => pageOf((page) => initGistPage(page, GistFlag.LEAF));

  test.each([
    ['an insertion', { rmid: Rmgr.GIST, info: 0, main: shorts(0, 0), blocks: [block(0), block(1)] }, 1],
    ['a split', { rmid: Rmgr.GIST, info: 0x30, main: new Uint8Array(24), blocks: [block(0), block(1)] }, 0],
  ])('%s finishes the split of the child', (_name, draft, childId) => {
    const child = leaf();
    setGistFlags(child, GistFlag.LEAF | GistFlag.FOLLOW_RIGHT);
    redo(draft, child, childId);
    expect([gistFlags(child), gistNsn(child)]).toEqual([GistFlag.LEAF, END_LSN]);
  });

  test.each([
    ['a leaf', GistFlag.LEAF, GistFlag.LEAF | GistFlag.TUPLES_DELETED],
    ['an inner page', 0, 0],
  ])('%s remembers that tuples were deleted if it is a leaf', (_name, before, after) => {
    const page = withTuples(
      pageOf((empty) => initGistPage(empty, before)),
      indexTuple(1),
      indexTuple(2),
    );
    redo({ rmid: Rmgr.GIST, info: 0, main: shorts(1, 0), blocks: [block(0, { data: shorts(1) })] }, page);
    expect([linePointerCount(page), gistFlags(page)]).toEqual([1, after]);
  });

  /** origrlink, orignsn, origleaf, npage, markfollowright, over pages 1 to 2. */
  const split = (isLeaf: boolean, followRight: boolean): RecordDraft => ({
    rmid: Rmgr.GIST,
    info: 0x30,
    main: join(
      words(99, 0, 0x500, 3),
      Uint8Array.of(isLeaf ? 1 : 0, isLeaf ? 0 : 1),
      shorts(2),
      Uint8Array.of(followRight ? 1 : 0, followRight ? 0 : 1, 0, 0),
    ),
    blocks: [1, 2].map((id) => block(id, { willInit: true, data: join(words(1), indexTuple(id)) })),
  });

  test('pages of a split that waits for its downlinks lead right, but for the last', () => {
    const pages = [1, 2].map((id) => redo(split(true, true), usedPage(), id));
    expect(pages.map(gistFlags)).toEqual([GistFlag.LEAF | GistFlag.FOLLOW_RIGHT, GistFlag.LEAF]);
    expect(pages.map((page) => readU32(page, pageSpecial(page) + 8))).toEqual([12, 99]);
    expect(pages.map(gistNsn)).toEqual([0x3_0000_0500, 0x3_0000_0500]);
    expect(gistFlags(redo(split(false, false), usedPage(), 1))).toBe(0);
    expect(gistFlags(redo(split(false, true), usedPage(), 1))).toBe(GistFlag.FOLLOW_RIGHT);
  });

  test('a sequence number has 64 bits', () => {
    const page = leaf();
    setGistNsn(page, Lsn.of(0x3_0000_0000));
    expect(gistNsn(page)).toBe(0x3_0000_0000);
    setPageLsn(page, Lsn.of(0x3_0000_0000));
    expect(pageLsn(page)).toBe(0x3_0000_0000);
  });
});

describe('Hash', () => {
  const bucket = (flags = HashFlag.BUCKET as number): Uint8Array =>
    pageOf((page) => initHashPage(page, { previous: 3, bucket: 0, flags }));
  const previousOf = (page: Uint8Array): number => readU32(page, pageSpecial(page));
  const nextOf = (page: Uint8Array): number => readU32(page, pageSpecial(page) + 4);

  /** prevblkno, nextblkno, ntups, is_prim_bucket_same_wrt, is_prev_bucket_same_wrt. */
  const squeeze = (tupleCount: number, isNeighbour: boolean): RecordDraft => ({
    rmid: Rmgr.HASH,
    info: 0x80,
    main: join(words(41, 42), shorts(tupleCount), Uint8Array.of(0, isNeighbour ? 1 : 0)),
    blocks: [block(1, tupleCount > 0 ? { data: join(shorts(1), indexTuple(1)) } : {}), block(3), block(4)],
  });

  test('the page before, the page after and the target of what a freed page held are linked anew', () => {
    expect(nextOf(redo(squeeze(0, false), bucket(), 3))).toBe(42);
    expect(previousOf(redo(squeeze(0, false), bucket(), 4))).toBe(41);
    const [filled, neighbour] = [redo(squeeze(1, false), bucket(), 1), redo(squeeze(0, true), bucket(), 1)];
    expect([linePointerCount(filled), nextOf(filled), pageLsn(filled)]).toEqual([1, INVALID_BLOCK, END_LSN]);
    expect([linePointerCount(neighbour), nextOf(neighbour), pageLsn(neighbour)]).toEqual([0, 42, END_LSN]);
  });

  test.each([
    [1, HashFlag.BUCKET],
    [0, HashFlag.BUCKET | HashFlag.HAS_DEAD_TUPLES],
  ])('dead tuples that are gone by a DELETE are forgotten if it says so: %d', (clears, flags) => {
    const page = withTuples(bucket(HashFlag.BUCKET | HashFlag.HAS_DEAD_TUPLES), indexTuple(1), indexTuple(2));
    const main = Uint8Array.of(clears, 1 - clears);
    redo({ rmid: Rmgr.HASH, info: 0x90, main, blocks: [block(1, { data: shorts(1) })] }, page, 1);
    expect([linePointerCount(page), hashFlags(page)]).toEqual([1, flags]);
  });

  test('dead tuples that are gone by a VACUUM_ONE_PAGE are forgotten', () => {
    const page = withTuples(bucket(), indexTuple(1), indexTuple(2));
    setHashFlags(page, HashFlag.BUCKET | HashFlag.HAS_DEAD_TUPLES);
    redo({ rmid: Rmgr.HASH, info: 0xc0, main: join(words(700), shorts(1, 0), shorts(1)), blocks: [block(0)] }, page);
    expect([linePointerCount(page), hashFlags(page)]).toEqual([1, HashFlag.BUCKET]);
  });

  test('an overflow page that needs a further bitmap page gets one, and the metapage counts both', () => {
    const draft = {
      rmid: Rmgr.HASH,
      info: 0x30,
      main: join(shorts(2048), Uint8Array.of(0)),
      blocks: [block(0), block(1), block(3, { willInit: true, block: 77 }), block(4, { data: words(5) })],
    };
    const bitmap = redo(draft, usedPage(), 3);
    expect(hashFlags(bitmap)).toBe(HashFlag.BITMAP);
    expect([pageLower(bitmap), bitmap[24], bitmap[24 + 2047], bitmap[24 + 2048]]).toEqual([24 + 2048, 0xff, 0xff, 0]);
    const meta = pageOf((page) => {
      initHashPage(page, { previous: INVALID_BLOCK, bucket: 0, flags: HashFlag.META });
      writeU32(page, 60, 4); // the splitpoint
      writeU32(page, 68, 2); // bitmap pages so far
    });
    redo(draft, meta, 4);
    expect([readU32(meta, 64), readU32(meta, 68), readU32(meta, 76 + 4 * 4)]).toEqual([5, 3, 2]);
    const maps = 76 + 98 * 4;
    expect([readU32(meta, maps), readU32(meta, maps + 4), readU32(meta, maps + 8)]).toEqual([0, 0, 77]);
  });
});

describe('B-tree', () => {
  const leaf = (flags: number = BtreeFlag.LEAF): Uint8Array =>
    pageOf((page) => initBtreePage(page, { previous: 0, next: 0, level: 0, flags }));
  const tids = (...offsetNumbers: readonly number[]): Uint8Array =>
    join(...offsetNumbers.map((offsetNumber) => shorts(0, 0, offsetNumber)));

  test('a page that was deduplicated has no garbage', () => {
    const page = withTuples(leaf(BtreeFlag.LEAF | BtreeFlag.HAS_GARBAGE), indexTuple(1));
    redo({ rmid: Rmgr.BTREE, info: 0x60, main: shorts(0), blocks: [block(0)] }, page);
    expect([linePointerCount(page), btreeFlags(page)]).toEqual([1, BtreeFlag.LEAF]);
  });

  test('a new root that is a leaf is empty', () => {
    const draft = { rmid: Rmgr.BTREE, info: 0xa0, main: words(10, 0), blocks: [block(0, { data: indexTuple(1) })] };
    const page = redo(draft, leaf());
    expect([linePointerCount(page), btreeFlags(page)]).toEqual([0, BtreeFlag.ROOT | BtreeFlag.LEAF]);
  });

  test('the left half of a split forgets the vacuum that went over it', () => {
    const page = withTuples(leaf(), indexTuple(1), indexTuple(2));
    setBtreeCycleId(page, 5);
    setBtreeNext(page, 0);
    const main = join(words(0), shorts(2, 3, 0));
    const draft = { rmid: Rmgr.BTREE, info: 0x40, main, blocks: [block(0, { data: indexTuple(2) }), block(1)] };
    redo(draft, page);
    expect([linePointerCount(page), readU16(page, PAGE_SIZE - 2)]).toEqual([2, 0]);
  });

  test('a posting list that is split last on the left page leaves the tuple that splits it to the right one', () => {
    const page = withTuples(leaf(), formPosting(indexTuple(1), 0, tids(1, 3, 5)), indexTuple(9));
    const main = join(words(0), shorts(2, 2, 1));
    const data = join(indexTuple(2), indexTuple(9));
    redo({ rmid: Rmgr.BTREE, info: 0x40, main, blocks: [block(0, { data }), block(1)] }, page);
    expect(linePointerCount(page)).toBe(2);
    expect(heapTids(page, itemAt(page, 2))).toEqual(tids(1, 2, 3));
  });
});

describe('SP-GiST', () => {
  const spgistPage = (flags: number, ...tuples: readonly Uint8Array[]): Uint8Array =>
    withTuples(
      pageOf((page) => initSpgistPage(page, flags)),
      ...tuples,
    );
  const flagsOf = (page: Uint8Array): number => readU16(page, pageSpecial(page));
  const leafTuple = (next: number): Uint8Array => join(words(16 << 2), shorts(next, 0, 0, 1), words(0x0a0a0a0a));
  const innerTuple = (size = 16): Uint8Array => join(words(0), shorts(size, 0), new Uint8Array(size - 8));
  const stateOf = (page: Uint8Array, offsetNumber: number): number => (page[itemAt(page, offsetNumber)] as number) & 3;

  test('placeholders go from the first that the record names, which may be beyond the last', () => {
    const vacuum = (firstPlaceholder: number): RecordDraft => ({
      rmid: Rmgr.SPGIST,
      info: 0x80,
      main: join(shorts(0, firstPlaceholder), words(700), shorts(0)),
      blocks: [block(0)],
    });
    const placeholders = (): Uint8Array => {
      const page = spgistPage(0, innerTuple(), innerTuple());
      adjustPlaceholders(page, 2);
      return page;
    };
    expect([0, 1, 2, 3].map((first) => linePointerCount(redo(vacuum(first), placeholders())))).toEqual([2, 0, 1, 2]);
  });

  test('the head of a chain keeps what else is in the word of its next tuple', () => {
    const page = spgistPage(SpgistFlag.LEAF, leafTuple(0xc000));
    const main = join(Uint8Array.of(0, 0), shorts(2, 1, 0, 0), leafTuple(0));
    redo({ rmid: Rmgr.SPGIST, info: 0x10, main, blocks: [block(0)] }, page);
    expect(readU16(page, itemAt(page, 1) + 4)).toBe(0xc002);
  });

  /** nMoves, newPage, replaceDead, storesNulls, offnumParent, nodeI, state (of a build). */
  const moveLeafs = (replaceDead: boolean, inserted: readonly number[]): RecordDraft => ({
    rmid: Rmgr.SPGIST,
    info: 0x20,
    main: join(
      shorts(1),
      Uint8Array.of(1, replaceDead ? 1 : 0, 0, 0),
      shorts(1, 0, 0),
      words(700),
      Uint8Array.of(1, 0, 0, 0),
      shorts(1),
      shorts(...inserted),
      ...inserted.map(() => leafTuple(0)),
    ),
    blocks: [block(0), block(1, { willInit: true }), block(2)],
  });

  test.each([
    [false, [1, 2]],
    [true, [1]],
  ])('leaves that move onto a dead tuple (%s) take its place', (replaceDead, inserted) => {
    const page = redo(moveLeafs(replaceDead, inserted), usedPage(), 1);
    expect([linePointerCount(page), flagsOf(page)]).toEqual([inserted.length, SpgistFlag.LEAF]);
  });

  test('leaves that move while an index is built leave placeholders', () => {
    const page = redo(moveLeafs(true, [1]), spgistPage(SpgistFlag.LEAF, leafTuple(0)));
    expect(stateOf(page, 1)).toBe(TupleState.PLACEHOLDER);
  });

  test('the postfix of a split tuple may go onto a fresh page', () => {
    const main = join(shorts(1, 1), Uint8Array.of(1, 0), innerTuple(), innerTuple());
    const draft = { rmid: Rmgr.SPGIST, info: 0x40, main, blocks: [block(0), block(1, { willInit: true }), block(2)] };
    const page = redo(draft, usedPage(), 1);
    expect([linePointerCount(page), flagsOf(page)]).toEqual([1, 0]);
    expect(() => redo(draft, spgistPage(0, innerTuple()), 2)).toThrow('no block 2');
  });

  test('tuples of nothing but a header are tuples', () => {
    const leaf = join(words(12 << 2), shorts(0, 0, 0, 1));
    const addLeaf = { rmid: Rmgr.SPGIST, info: 0x10, main: join(Uint8Array.of(0, 0), shorts(1, 0, 0, 0), leaf) };
    expect(linePointerCount(redo({ ...addLeaf, blocks: [block(0)] }, spgistPage(SpgistFlag.LEAF)))).toBe(1);
    const addNode = {
      rmid: Rmgr.SPGIST,
      info: 0x30,
      main: join(shorts(1, 1), Uint8Array.of(0, 9), new Uint8Array(14), innerTuple(8)),
    };
    expect(linePointerCount(redo({ ...addNode, blocks: [block(0)] }, spgistPage(0, innerTuple())))).toBe(1);
  });

  /** isRootSplit, nDelete, nInsert, initSrc, initDest, offnumInner, initInner, storesNulls, innerIsParent, …, state. */
  const pickSplit = (storesNulls: boolean): RecordDraft => ({
    rmid: Rmgr.SPGIST,
    info: 0x50,
    main: join(
      shorts(0, 0, 2),
      Uint8Array.of(1, 1),
      shorts(1),
      Uint8Array.of(1, storesNulls ? 1 : 0, 0, 0),
      shorts(1, 0, 0),
      words(700, 0),
      shorts(1, 1),
      Uint8Array.of(0, 1),
      innerTuple(),
      leafTuple(0),
      leafTuple(0),
    ),
    blocks: [0, 1, 2].map((id) => block(id, { willInit: true })),
  });

  test('a pick-split on the page of its chain leaves the chain there', () => {
    const main = join(
      shorts(0, 1, 0),
      Uint8Array.of(0, 1),
      shorts(1),
      new Uint8Array(10),
      words(700, 1),
      shorts(1),
      innerTuple(),
    );
    const draft = { rmid: Rmgr.SPGIST, info: 0x50, main, blocks: [0, 1, 2].map((id) => block(id)) };
    const page = redo(draft, spgistPage(SpgistFlag.LEAF, leafTuple(0), leafTuple(0)));
    expect([1, 2].map((number) => stateOf(page, number))).toEqual([TupleState.PLACEHOLDER, TupleState.LIVE]);
  });

  test.each([
    [false, 0],
    [true, SpgistFlag.NULLS],
  ])('a pick-split onto fresh pages makes them, of nulls: %s', (storesNulls, nulls) => {
    const pages = [0, 1, 2].map((id) => redo(pickSplit(storesNulls), usedPage(), id));
    expect(pages.map(linePointerCount)).toEqual([1, 1, 1]);
    expect(pages.map(flagsOf)).toEqual([SpgistFlag.LEAF | nulls, SpgistFlag.LEAF | nulls, nulls]);
  });
});

test('a BRIN metapage of before 11, whose bounds do not tell of its content, is put right', () => {
  const page = pageOf((meta) => initBrinPage(meta, BrinPageType.META));
  setLastRevmapPage(page, 9);
  expect([readU32(page, 24 + 12), pageLower(page)]).toEqual([9, 24 + 16]);
});
