import { Corrupt, Lsn } from '@neon/kernel';
import { addItem, addItemInPlace, pieceOf } from '../page/bufpage';
import { BrinPageType, initBrinPage } from '../page/brin-page';
import { GinFlag, initGinPage, setGinDataSize, setGinMaxOffset } from '../page/gin-page';
import { initGistPage } from '../page/gist-page';
import { HashFlag, initUnbucketedPage } from '../page/hash-page';
import { normalPointer, setLinePointer } from '../page/line-pointer';
import { writeU16, writeU32 } from '../page/little-endian';
import { initBtreePage } from '../page/nbtree-page';
import { PAGE_SIZE, initPage, setPageFlags, setPageLower } from '../page/page-header';
import { addOrReplaceTuple, initSpgistPage } from '../page/spgist-page';
import { encodeRecord, type BlockDraft, type RecordDraft } from '../wal/encoder';
import { parseRecord } from '../wal/parse-record';
import { Fork } from '../wal/record';
import { Rmgr } from '../wal/rmgr';
import { redoBlock } from './registry';

const RELATION = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };
const END_LSN = Lsn.of(0x200_0100);

const block = (id: number, rest: Partial<BlockDraft> = {}): BlockDraft => ({
  id,
  relation: RELATION,
  block: id,
  ...rest,
});

function redo(draft: RecordDraft, page: Uint8Array, blockId: number): void {
  const bytes = encodeRecord(draft, { major: 17, prevLsn: Lsn.of(8) });
  const record = parseRecord(bytes, { major: 17, lsn: Lsn.of(0x200_0000), endLsn: END_LSN });
  const reference = record.blocks.find(({ id }) => id === blockId)!;
  redoBlock({ record, block: reference, endLsn: END_LSN, walLogHints: false }, page);
}

const shorts = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 2);
  values.forEach((value, i) => writeU16(bytes, i * 2, value));
  return bytes;
};
const bytesOf = (...parts: readonly (Uint8Array | number)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part])));

function pageOf(build: (page: Uint8Array) => void): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  build(page);
  return page;
}
const zeros = (): Uint8Array => new Uint8Array(PAGE_SIZE);
const heapPage = (): Uint8Array =>
  pageOf((page) => {
    initPage(page);
    const tuple = new Uint8Array(40);
    tuple[22] = 24;
    addItemInPlace(page, pieceOf(tuple), 1);
  });
const btreePage = (item: Uint8Array = new Uint8Array(0)): Uint8Array =>
  pageOf((page) => {
    initBtreePage(page, { previous: 0, next: 0, level: 0, flags: 1 });
    if (item.length > 0) addItem(page, pieceOf(item), 1);
  });
const ginPage = (flags: number, dataSize: number): Uint8Array =>
  pageOf((page) => {
    initGinPage(page, flags);
    setGinDataSize(page, dataSize);
    setGinMaxOffset(page, flags & GinFlag.LEAF ? 0 : dataSize / 10);
  });
const withPointer = (page: Uint8Array, offset: number, length: number): Uint8Array => {
  setLinePointer(page, 1, normalPointer(offset, length));
  return page;
};

/** An index tuple of `size` bytes; a posting list when it says where its heap tids begin and how many there are. */
function indexTuple(size: number, posting?: { start: number; count: number }): Uint8Array {
  const tuple = new Uint8Array(Math.max(8, Math.min(size, 64)));
  writeU16(tuple, 6, size | (posting === undefined ? 0 : 0x2000));
  if (posting !== undefined) tuple.set(shorts(posting.start >>> 16, posting.start, 0x2000 | posting.count));
  return tuple;
}

const insertPost = { rmid: Rmgr.BTREE, info: 0x50, main: shorts(2) };
const postingData = bytesOf(shorts(1), indexTuple(16));
const heapLock = { rmid: Rmgr.HEAP, info: 0x60, main: bytesOf(new Uint8Array(4), shorts(1), 0, 0) };
const heapUpdate = (prefix: number): RecordDraft => ({
  rmid: Rmgr.HEAP,
  info: 0x40,
  main: bytesOf(new Uint8Array(4), shorts(1), 0, 0x20, new Uint8Array(4), shorts(2)),
  blocks: [block(0, { data: bytesOf(shorts(prefix), new Uint8Array(4), 24, new Uint8Array(1)) })],
});
const ginLeafChanges = (count: number, ...changes: readonly (Uint8Array | number)[]): RecordDraft => ({
  rmid: Rmgr.GIN,
  info: 0x90,
  blocks: [block(0, { data: bytesOf(shorts(count), ...changes) })],
});
const ginLeafChange = (...change: readonly (Uint8Array | number)[]): RecordDraft => ginLeafChanges(1, ...change);
const ginChild = (offsetNumber: number): RecordDraft => ({
  rmid: Rmgr.GIN,
  info: 0x20,
  main: bytesOf(shorts(1), new Uint8Array(8)),
  blocks: [block(0, { data: bytesOf(shorts(offsetNumber), new Uint8Array(10)) }), block(1)],
});

type Case = readonly [name: string, draft: RecordDraft, page: Uint8Array, blockId?: number];

const CASES: readonly Case[] = [
  // G4: the page
  ['a page that was never written', { ...heapLock, blocks: [block(0)] }, zeros()],
  [
    'a child that was never written',
    { rmid: Rmgr.BTREE, info: 0x10, main: shorts(1), blocks: [block(0), block(1)] },
    zeros(),
    1,
  ],
  [
    'a map page of an index',
    { rmid: Rmgr.BTREE, info: 0x10, main: shorts(1), blocks: [block(1, { fork: Fork.VISIBILITY_MAP })] },
    zeros(),
    1,
  ],
  [
    'a page that will be built and is not',
    { rmid: Rmgr.HASH, info: 0xa0, blocks: [block(0, { willInit: true })] },
    zeros(),
  ],
  ['a heap page where an index page must be', { rmid: Rmgr.HASH, info: 0xa0, blocks: [block(0)] }, heapPage()],
  [
    'unknown page flags',
    { ...heapLock, blocks: [block(0)] },
    pageOf((page) => {
      page.set(heapPage());
      setPageFlags(page, 8);
    }),
  ],
  [
    'line pointers that reach beyond the free space',
    { ...heapLock, blocks: [block(0)] },
    pageOf((page) => {
      page.set(heapPage());
      setPageLower(page, 8190);
    }),
  ],
  // Items
  ['a tuple behind the end of the page', { ...heapLock, blocks: [block(0)] }, withPointer(heapPage(), 8184, 40)],
  ['a tuple among the line pointers', { ...heapLock, blocks: [block(0)] }, withPointer(heapPage(), 24, 40)],
  ['a tuple shorter than its header', { ...heapLock, blocks: [block(0)] }, withPointer(heapPage(), 8168, 20)],
  ['an update that keeps more than the old tuple has', heapUpdate(17), heapPage()],
  [
    'a header length that ends within the header',
    {
      rmid: Rmgr.HEAP,
      info: 0x40,
      main: heapUpdate(0).main!,
      blocks: [block(0, { data: bytesOf(shorts(2), new Uint8Array(4), 22, 0) })],
    },
    heapPage(),
  ],
  [
    'a multi-insert that ends within a tuple header',
    { rmid: Rmgr.HEAP2, info: 0x50, main: bytesOf(shorts(0, 1, 2)), blocks: [block(0, { data: new Uint8Array(5) })] },
    heapPage(),
  ],
  [
    'a pruned page with a tuple that ends behind it',
    {
      rmid: Rmgr.HEAP2,
      info: 0x10,
      main: bytesOf(0, 0x84),
      blocks: [block(0, { data: shorts(1, 2) })],
    },
    pageOf((page) => {
      page.set(heapPage());
      addItemInPlace(page, pieceOf(new Uint8Array(40)), 2);
      withPointer(page, 8160, 160);
    }),
  ],
  // Btree posting lists
  [
    'a posting list whose tuple ends behind the page',
    { ...insertPost, blocks: [block(0, { data: postingData })] },
    btreePage(indexTuple(8000, { start: 16, count: 3 })),
  ],
  [
    'a posting list that begins within its header',
    { ...insertPost, blocks: [block(0, { data: postingData })] },
    btreePage(indexTuple(40, { start: 2, count: 3 })),
  ],
  [
    'a deduplicated tuple with a key longer than itself',
    { rmid: Rmgr.BTREE, info: 0x60, main: shorts(1), blocks: [block(0, { data: shorts(1, 1) })] },
    btreePage(indexTuple(16, { start: 40, count: 0 })),
  ],
  // GIN
  [
    'changes of a GIN leaf that end early',
    ginLeafChange(0),
    ginPage(GinFlag.DATA | GinFlag.LEAF | GinFlag.COMPRESSED, 0),
  ],
  [
    'tuple ids beyond the record',
    ginLeafChange(0, 4, shorts(9)),
    ginPage(GinFlag.DATA | GinFlag.LEAF | GinFlag.COMPRESSED, 8),
  ],
  [
    'GIN lists changed out of order',
    ginLeafChanges(2, 1, 1, 0, 1),
    pageOf((page) => page.set(ginPage(GinFlag.DATA | GinFlag.LEAF | GinFlag.COMPRESSED, 24))),
  ],
  [
    'an old GIN leaf with more tuple ids than room',
    ginLeafChange(0, 1),
    pageOf((page) => {
      initGinPage(page, GinFlag.DATA | GinFlag.LEAF);
      setGinMaxOffset(page, 2000);
    }),
  ],
  ['a GIN child behind the last', ginChild(9), ginPage(GinFlag.DATA, 10)],
  [
    'a GIN child to delete behind the last',
    { rmid: Rmgr.GIN, info: 0x50, main: bytesOf(shorts(9), new Uint8Array(10)), blocks: [block(0), block(1)] },
    ginPage(GinFlag.DATA, 10),
    1,
  ],
  // the others
  [
    'a BRIN range of no pages',
    { rmid: Rmgr.BRIN, info: 0x10, main: bytesOf(new Uint8Array(8), shorts(1)), blocks: [block(0), block(1)] },
    pageOf((page) => initBrinPage(page, BrinPageType.REVMAP)),
    1,
  ],
  [
    'a hash bitmap longer than its page',
    { rmid: Rmgr.HASH, info: 0x10, main: shorts(8160), blocks: [block(0, { willInit: true })] },
    zeros(),
  ],
  [
    'hash masks that the record lacks',
    {
      rmid: Rmgr.HASH,
      info: 0x40,
      main: bytesOf(new Uint8Array(8), 3),
      blocks: [block(0), block(2, { data: new Uint8Array(8) })],
    },
    pageOf((page) => initUnbucketedPage(page, HashFlag.META)),
    2,
  ],
  [
    'a GiST split before an LSN beyond 2^53',
    {
      rmid: Rmgr.GIST,
      info: 0x30,
      main: bytesOf(new Uint8Array(8), new Uint8Array(8).fill(0xff), new Uint8Array(5)),
      blocks: [block(1, { data: new Uint8Array(4), willInit: true })],
    },
    pageOf((page) => initGistPage(page, 0)),
    1,
  ],
  [
    'an SP-GiST redirect that is none',
    { rmid: Rmgr.SPGIST, info: 0x80, main: bytesOf(shorts(1, 0), new Uint8Array(6), shorts(1)), blocks: [block(0)] },
    pageOf((page) => {
      initSpgistPage(page, 4);
      addOrReplaceTuple(page, pieceOf(bytesOf(shorts(16 << 2, 0), new Uint8Array(12))), 1);
    }),
  ],
  [
    'a Generic record that ends within a piece',
    { rmid: Rmgr.GENERIC, info: 0, blocks: [block(0, { data: shorts(100) })] },
    heapPage(),
  ],
  [
    'a Generic piece that ruins the header',
    { rmid: Rmgr.GENERIC, info: 0, blocks: [block(0, { data: shorts(12, 2, 9000) })] },
    heapPage(),
  ],
];

describe('redo of a record that no server writes', () => {
  for (const [name, draft, page, blockId = 0] of CASES)
    it(`G3, G4: ${name} is Corrupt`, () => {
      expect(() => redo(draft, page, blockId)).toThrow(Corrupt);
    });

  it('G4: a visibility map may begin as zeros', () => {
    const map = zeros();
    const main = bytesOf(new Uint8Array(4), 3);
    redo({ rmid: Rmgr.HEAP2, info: 0x40, main, blocks: [block(0, { fork: Fork.VISIBILITY_MAP }), block(1)] }, map, 0);
    expect(map[24]).toBe(3 << 2);
  });
});

describe('pieces of tuples', () => {
  it('an update that fails leaves nothing behind that a later one could pick up', () => {
    const page = heapPage();
    expect(() => redo(heapUpdate(8000), page, 0)).toThrow(Corrupt);
    const fresh = heapPage();
    redo(heapUpdate(16), fresh, 0);
    const again = heapPage();
    redo(heapUpdate(16), again, 0);
    expect(Buffer.compare(fresh, again)).toBe(0);
    const short = new Uint8Array(4);
    writeU32(short, 0, 0xffff_ffff);
    expect(() => addItem(fresh, { bytes: short, offset: 0, length: 100 }, 1)).toThrow(RangeError);
  });
});
