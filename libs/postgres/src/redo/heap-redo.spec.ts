/** What heap records do to single fields of tuples, pages and visibility maps. */
import { addItemInPlace, pieceOf } from '../page/bufpage';
import {
  HEAP_TUPLE_HEADER_SIZE,
  Infomask,
  Infomask2,
  isLockedOnly,
  setTupleCid,
  setTupleInfomask,
  setTupleInfomask2,
  tupleCtidAt,
  tupleInfomask,
  tupleInfomask2,
} from '../page/heap-tuple';
import { pointerBlock, pointerOffsetNumber } from '../page/item-pointer';
import { itemAt, itemLength, linePointer } from '../page/line-pointer';
import { readU32, writeU16 } from '../page/little-endian';
import {
  PAGE_SIZE,
  PageFlag,
  initPage,
  pageFlags,
  pageLsn,
  pagePruneXid,
  pageUpper,
  setPageFlags,
  setPagePruneXid,
} from '../page/page-header';
import { HEAP_BLOCKS_PER_MAP_BLOCK, setVisibilityBits, visibilityBits } from '../page/visibility-map';
import { POSTGRES_MAJORS } from '../versions';
import { type BlockDraft, type RecordDraft } from '../wal/encoder';
import { Fork, type PostgresMajor } from '../wal/record';
import { END_LSN, RELATION, type Redone, join, redoOne, shorts, words } from '../testing/redo-one';
import { Rmgr } from '../wal/rmgr';
import { setPrunable } from './heap-tuple-redo';

/** A heap block whose bits are on the second page of the map. */
const HEAP_BLOCK = HEAP_BLOCKS_PER_MAP_BLOCK + 7;

const block = (id: number, rest: Partial<BlockDraft> = {}): BlockDraft => ({
  id,
  relation: RELATION,
  block: HEAP_BLOCK,
  ...rest,
});

const redo = (draft: RecordDraft, page: Uint8Array, options: Redone = {}): Uint8Array =>
  redoOne({ xid: 800, ...draft }, page, options);

const OLD_CID = 77;
const cidOf = (page: Uint8Array, offsetNumber: number): number => readU32(page, itemAt(page, offsetNumber) + 8);
const ctidOf = (page: Uint8Array, offsetNumber: number): [number, number] => {
  const at = tupleCtidAt(itemAt(page, offsetNumber));
  return [pointerBlock(page, at), pointerOffsetNumber(page, at)];
};

/** A page with one tuple, which was updated by the command 77, and all of its flags set. */
function heapPage(infomask: number = Infomask.COMBOCID): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  initPage(page);
  const tuple = new Uint8Array(HEAP_TUPLE_HEADER_SIZE + 9);
  tuple[22] = 24;
  addItemInPlace(page, pieceOf(tuple), 1);
  const at = itemAt(page, 1);
  setTupleInfomask(page, at, infomask);
  setTupleInfomask2(page, at, Infomask2.HOT_UPDATED);
  setTupleCid(page, at, OLD_CID);
  setPageFlags(page, PageFlag.HAS_FREE_LINES | PageFlag.PAGE_FULL | PageFlag.ALL_VISIBLE);
  return page;
}

/** A page of the visibility map on which everything is visible and frozen. */
function visibilityMap(): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  initPage(page);
  return page.fill(0xff, 24);
}

const STORED_TUPLE = join(shorts(1, Infomask.COMBOCID), Uint8Array.of(24, 0, 7));
const insert = (flags: number): RecordDraft => ({
  rmid: Rmgr.HEAP,
  info: 0,
  main: join(shorts(2), Uint8Array.of(flags)),
  blocks: [block(0, { data: STORED_TUPLE }), block(1, { fork: Fork.VISIBILITY_MAP, block: 1 })],
});
const remove = (flags: number): RecordDraft => ({
  rmid: Rmgr.HEAP,
  info: 0x10,
  main: join(words(801), shorts(1), Uint8Array.of(0, flags)),
  blocks: [block(0), block(1, { fork: Fork.VISIBILITY_MAP, block: 1 })],
});
const lock = (infobits: number, flags = 0): RecordDraft => ({
  rmid: Rmgr.HEAP,
  info: 0x60,
  main: join(words(801), shorts(1), Uint8Array.of(infobits, flags)),
  blocks: [block(0), block(1, { fork: Fork.VISIBILITY_MAP, block: 1 })],
});
const lockUpdated = (flags: number): RecordDraft => ({ ...lock(0, flags), rmid: Rmgr.HEAP2 });
const multiInsert = (flags: number): RecordDraft => ({
  rmid: Rmgr.HEAP2,
  info: 0x50,
  main: join(Uint8Array.of(flags, 0), shorts(1, 2)),
  blocks: [block(0, { data: join(shorts(2), STORED_TUPLE) }), block(1, { fork: Fork.VISIBILITY_MAP, block: 1 })],
});
/** To the same page, or from block 1, whose heap block is another. */
const update = (flags: number, { toOther = false } = {}): RecordDraft => ({
  rmid: Rmgr.HEAP,
  info: toOther ? 0x20 : 0x40,
  main: join(words(801), shorts(1), Uint8Array.of(0, flags), words(0), shorts(2)),
  blocks: [
    block(0, { data: STORED_TUPLE }),
    ...(toOther ? [block(1, { block: HEAP_BLOCK + 2 })] : []),
    block(2, { fork: Fork.VISIBILITY_MAP, block: 1 }),
  ],
});

describe('a heap page stays all-visible, unless a record says that it no longer is', () => {
  const ALL = PageFlag.HAS_FREE_LINES | PageFlag.PAGE_FULL | PageFlag.ALL_VISIBLE;
  const REST = PageFlag.HAS_FREE_LINES | PageFlag.PAGE_FULL;

  test.each([
    ['an insertion', insert(0), ALL],
    ['an insertion that clears it', insert(1), REST],
    ['a deletion', remove(0), ALL],
    ['a deletion that clears it', remove(1), REST],
    ['several tuples', multiInsert(0), ALL],
    ['several tuples that clear it', multiInsert(1), REST],
    ['an update', update(0), ALL],
    ['an update that clears it for the old version', update(1), REST],
    ['an update that clears it for the successor', update(2), REST],
  ])('after %s', (_name, draft, flags) => {
    expect(pageFlags(redo(draft, heapPage()))).toBe(flags);
  });

  test('and becomes so by tuples that are frozen at once, or a record of its own', () => {
    const page = heapPage();
    writeU16(page, 10, 0);
    expect(pageFlags(redo(multiInsert(0x20), page))).toBe(PageFlag.ALL_VISIBLE);
    writeU16(page, 10, 0);
    const visible = { rmid: Rmgr.HEAP2, info: 0x40, main: join(words(700), Uint8Array.of(3)) };
    const blocks = [block(0, { fork: Fork.VISIBILITY_MAP, block: 1 }), block(1)];
    expect(pageFlags(redo({ ...visible, blocks }, page, { blockId: 1 }))).toBe(PageFlag.ALL_VISIBLE);
  });
});

describe('a map page that a record names', () => {
  const bitsAfter = (draft: RecordDraft, mapBlockId = 1): number[] => {
    const map = redo(draft, visibilityMap(), { blockId: mapBlockId });
    const around = [HEAP_BLOCK - 1, HEAP_BLOCK, HEAP_BLOCK + 1, HEAP_BLOCK + 2];
    return [...around.map((heapBlock) => visibilityBits(map, heapBlock)), pageLsn(map)];
  };

  test.each([
    ['an insertion', insert(1)],
    ['a deletion', remove(1)],
    ['several tuples', multiInsert(1)],
  ])('loses both bits of the block of %s', (_name, draft) => {
    expect(bitsAfter(draft)).toEqual([3, 0, 3, 3, END_LSN]);
  });

  test.each([
    ['a lock', lock],
    ['a lock of an updated tuple', (_infobits: number, flags: number) => lockUpdated(flags)],
  ])('loses the frozen bit by %s that says so', (_name, draft) => {
    expect(bitsAfter(draft(0, 1))).toEqual([3, 1, 3, 3, END_LSN]);
    expect(bitsAfter(draft(0, 0))).toEqual([3, 3, 3, 3, 0]);
  });

  test('loses by an update the bits of the block that has the flag', () => {
    expect(bitsAfter(update(2, { toOther: true }), 2)).toEqual([3, 0, 3, 3, END_LSN]);
    expect(bitsAfter(update(1, { toOther: true }), 2)).toEqual([3, 3, 3, 0, END_LSN]);
  });
});

describe('a tuple that is deleted, locked or updated', () => {
  test.each([
    ['deleted', remove(0)],
    ['locked', lock(4)],
    ['updated', update(0)],
  ])('and %s by a first command has its id, and no combination of two', (_name, draft) => {
    const page = redo(draft, heapPage());
    expect(cidOf(page, 1)).toBe(0);
    expect(tupleInfomask(page, itemAt(page, 1)) & Infomask.COMBOCID).toBe(0);
  });

  test('and put onto a page begins with command 0, whatever lay there', () => {
    const page = heapPage();
    page.fill(0xee, 200, pageUpper(page));
    redo(insert(0), page);
    expect(cidOf(page, 2)).toBe(0);
    expect(tupleInfomask(page, itemAt(page, 2)) & Infomask.COMBOCID).toBe(0);
  });

  test('was not moved by a VACUUM FULL of before 9.0 any more', () => {
    const page = redo(lock(4), heapPage(Infomask.MOVED));
    expect(tupleInfomask(page, itemAt(page, 1))).toBe(Infomask.XMAX_EXCL_LOCK);
  });

  test('is the last of its chain again when it is only locked', () => {
    // EXCL_LOCK alone: so servers before 9.3 marked a lock; with KEYSHR_LOCK it is an update that keeps the key.
    const locked = redo(lock(4), heapPage());
    expect(ctidOf(locked, 1)).toEqual([HEAP_BLOCK, 1]);
    expect(tupleInfomask2(locked, itemAt(locked, 1))).toBe(0);
    const updated = redo(lock(4 | 8), heapPage());
    expect(ctidOf(updated, 1)).toEqual([0, 0]);
    expect(tupleInfomask2(updated, itemAt(updated, 1))).toBe(Infomask2.HOT_UPDATED);
  });

  test.each([
    [Infomask.XMAX_LOCK_ONLY | Infomask.XMAX_KEYSHR_LOCK, true],
    [Infomask.XMAX_EXCL_LOCK, true],
    [Infomask.XMAX_EXCL_LOCK | Infomask.COMBOCID, true],
    [Infomask.XMAX_EXCL_LOCK | Infomask.XMAX_IS_MULTI, false],
    [Infomask.XMAX_EXCL_LOCK | Infomask.XMAX_KEYSHR_LOCK, false],
    [Infomask.XMAX_KEYSHR_LOCK, false],
    [0, false],
  ])('with infomask %d is only locked: %s', (infomask, expected) => {
    expect(isLockedOnly(infomask)).toBe(expected);
  });
});

test('a speculative tuple that is confirmed points to itself', () => {
  const page = redo({ rmid: Rmgr.HEAP, info: 0x50, main: shorts(1), blocks: [block(0)] }, heapPage());
  expect(ctidOf(page, 1)).toEqual([HEAP_BLOCK, 1]);
});

test('a tuple of nothing but a header fills the data of its record', () => {
  const data = join(shorts(0), shorts(1, 0), Uint8Array.of(23));
  const blocks = [block(0, { data })];
  const main = join(Uint8Array.of(0, 0), shorts(1, 2));
  const page = redo({ rmid: Rmgr.HEAP2, info: 0x50, main, blocks }, heapPage());
  expect(itemLength(linePointer(page, 2))).toBe(HEAP_TUPLE_HEADER_SIZE);
});

describe('freezing a tuple that a VACUUM FULL of before 9.0 moved', () => {
  const freeze = (major: PostgresMajor, flags: number): RecordDraft => {
    const flagged = shorts(1, Infomask.XMIN_FROZEN, flags);
    if (major >= 17) {
      const data = join(shorts(1, 0), words(0), flagged, shorts(1), shorts(1));
      return { rmid: Rmgr.HEAP2, info: 0x20, main: Uint8Array.of(0, 0x10), blocks: [block(0, { data })] };
    }
    const data = major === 16 ? join(words(0), flagged, shorts(1), shorts(1)) : join(words(0), shorts(1), flagged);
    const main = join(words(700), shorts(1));
    return { rmid: Rmgr.HEAP2, info: 0x30, main, blocks: [block(0, { data })] };
  };

  test.each(POSTGRES_MAJORS)('by Postgres %d settles by which transaction', (major) => {
    const cidAfter = (flags: number): number => cidOf(redo(freeze(major, flags), heapPage(), { major }), 1);
    expect(cidAfter(0)).toBe(OLD_CID);
    expect(cidAfter(2)).toBe(2);
    expect(cidAfter(4)).toBe(0);
  });
});

/** The oldest xid that left something to prune, by what the page said and what else comes: xids go round. */
test.each([
  [0, 5, 5],
  [100, 50, 50],
  [50, 100, 50],
  [0xffff_fff0, 5, 0xffff_fff0],
  [5, 0xffff_fff0, 0xffff_fff0],
  [0xffff_fff0, 3, 0xffff_fff0],
  [3, 0xffff_fff0, 0xffff_fff0],
  [0xffff_fff0, 2, 2],
  [2, 0xffff_fff0, 2],
  [5, 2, 2],
])('of xids %d and %d the page remembers %d as prunable', (current, xid, expected) => {
  const page = new Uint8Array(PAGE_SIZE);
  setPagePruneXid(page, current);
  setPrunable(page, xid);
  expect(pagePruneXid(page)).toBe(expected);
});

test('the map of a heap beyond its first page begins anew', () => {
  const map = new Uint8Array(PAGE_SIZE);
  setVisibilityBits(map, HEAP_BLOCKS_PER_MAP_BLOCK, 3);
  expect(map[24]).toBe(3);
});
