import { Lsn, crc32c, writeBytes } from '@neon/kernel';
import fc from 'fast-check';
import { PAGE_SIZE, initPage, pageLsn } from '../page/page-header';
import { readU32, writeU16, writeU32 } from '../page/little-endian';
import { HEAP_BLOCKS_PER_MAP_BLOCK, setVisibilityBits, visibilityBits } from '../page/visibility-map';
import { POSTGRES_MAJORS } from '../versions';
import { encodeRecord, type BlockDraft, type RecordDraft } from '../wal/encoder';
import { parseRecord } from '../wal/parse-record';
import { Fork, type PostgresMajor, type RelationId, type WalRecord } from '../wal/record';
import { Rmgr } from '../wal/rmgr';
import { WalError } from '../wal/wal-error';
import { applyDelta } from './apply';
import { UnsupportedRecord, type Change, type PageId } from './change';
import type { ChangeSettings } from './change-settings';
import { changesOf, unwrittenChangesOf } from './changes';
import { XidStatus, xidStatus } from './clog';
import { DeltaKind } from './delta';
import { redoRecord } from './redo-record';
import { parsePrepare } from './transaction-record';
import { slruPageIsBefore } from './slru';

const RELATION: RelationId = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };
const END_LSN = Lsn.of(0x2000100);

const recordOf = (draft: RecordDraft, major: PostgresMajor = 17): WalRecord =>
  parseRecord(encodeRecord(draft, { major, prevLsn: Lsn.of(8) }), { major, lsn: Lsn.of(0x2000000), endLsn: END_LSN });

const changes = (
  draft: RecordDraft,
  { major = 17 as PostgresMajor, ...settings }: Partial<ChangeSettings> & { major?: PostgresMajor } = {},
) => changesOf(recordOf(draft, major), { walLogHints: false, trackCommitTimestamp: false, ...settings });

const words = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => writeU32(bytes, i * 4, value));
  return bytes;
};
const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const heapBlock = (id: number, block: number, rest: Partial<BlockDraft> = {}): BlockDraft => ({
  id,
  relation: RELATION,
  block,
  ...rest,
});

const relationPage = (block: number, fork: Fork = Fork.MAIN): PageId => ({
  kind: 'relation',
  relation: RELATION,
  fork,
  block,
});

function apply(of: readonly Change[], page: PageId, before: Uint8Array): Uint8Array {
  const after = before.slice();
  for (const change of of)
    if (change.kind === 'page-delta' && JSON.stringify(change.page) === JSON.stringify(page))
      applyDelta(after, change.delta, { page, endLsn: END_LSN, major: 17 });
  return after;
}

const pagesOf = (of: readonly Change[]): PageId[] =>
  of.flatMap((change) => (change.kind === 'page-delta' || change.kind === 'page-image' ? [change.page] : []));

describe('transactions', () => {
  const commitWith = (xinfo: number, ...rest: Uint8Array[]): RecordDraft => ({
    rmid: Rmgr.TRANSACTION,
    info: 0x80,
    xid: 1000,
    main: join(words(0x1a2b3c4d, 0x0002_0000, xinfo), ...rest),
  });

  it('A1: a commit sets the status of the transaction and its subtransactions, page by page', () => {
    const subxids = [1001, 32768, 65536 + 7];
    const found = changes(commitWith(2, words(subxids.length, ...subxids)));
    expect(pagesOf(found)).toEqual([0, 1, 2].map((page) => ({ kind: 'slru', slru: 'xact', page })));
    const page = apply(found, { kind: 'slru', slru: 'xact', page: 0 }, new Uint8Array(PAGE_SIZE).fill(0xff));
    expect([999, 1000, 1001, 1002].map((xid) => xidStatus(page, xid))).toEqual([3, 1, 1, 3]);
    expect(found.at(-1)).toMatchObject({ kind: 'commit', xid: 1000 });
  });

  it.each([
    [14, []],
    [15, [words(1, 2, 5, 777)]],
    [17, [words(1, 2, 5, 777)]],
    [18, [words(1, 2, 5, 777, 0)]],
  ] as const)(
    'A1: reads dropped relations, statistics, invalidations, two-phase and origin of Postgres %i',
    (major, stats) => {
      const xinfo = 1 | 2 | 4 | 8 | 16 | 32 | 128 | (stats.length > 0 ? 256 : 0);
      const parts = [
        words(5, 1663),
        words(1, 1001),
        words(2, 1663, 5, 16400, 1663, 5, 16401),
        ...stats,
        words(1, 0, 0, 0, 0),
        words(900),
        new TextEncoder().encode('gid\0'),
        words(0x99, 0),
        words(7, 0),
      ];
      const draft = { ...commitWith(xinfo, ...parts), info: 0x80 | 0x30, originId: 4 };
      expect(changes(draft, { major }).filter(({ kind }) => kind !== 'page-delta')).toEqual([
        { kind: 'relation-drop', relation: { ...RELATION, relationNumber: 16400 } },
        { kind: 'relation-drop', relation: { ...RELATION, relationNumber: 16401 } },
        { kind: 'two-phase-remove', xid: 900 },
        { kind: 'replication-origin', originId: 4, remoteLsn: 0x99n },
        expect.objectContaining({ kind: 'commit', xid: 900 }),
      ]);
    },
  );

  it('A1: an abort sets its status and drops the relations it created', () => {
    const main = join(words(0, 0, 4), words(1, 1663, 5, 16400));
    const found = changes({ rmid: Rmgr.TRANSACTION, info: 0x80 | 0x20, xid: 70, main });
    const page = apply(found, { kind: 'slru', slru: 'xact', page: 0 }, new Uint8Array(PAGE_SIZE));
    expect(xidStatus(page, 70)).toBe(XidStatus.ABORTED);
    expect(found.map(({ kind }) => kind)).toEqual(['page-delta', 'relation-drop']);
  });

  it('A2: a commit tells its time to the microsecond, since the Unix epoch, and stores it with its origin when timestamps are tracked', () => {
    // 2024-02-29 12:00:00.123456 UTC is 762,523,200.123456 s after 2000-01-01.
    const timestampUs = 762_523_200_123_456n;
    const main = new Uint8Array(8);
    new DataView(main.buffer).setBigInt64(0, timestampUs, true);
    const draft = { rmid: Rmgr.TRANSACTION, info: 0, xid: 820, main };
    expect(changes(draft)).toHaveLength(2);
    const found = changes(draft, { trackCommitTimestamp: true });
    expect(found.at(-1)).toEqual({
      kind: 'commit',
      xid: 820,
      timestampUs: Date.UTC(2024, 1, 29, 12, 0, 0, 123) * 1000 + 456,
    });
    const page = apply(found, { kind: 'slru', slru: 'commit-ts', page: 1 }, new Uint8Array(PAGE_SIZE));
    expect(new DataView(page.buffer).getBigInt64(10, true)).toBe(timestampUs);
  });

  it('A2: the LSN and the time of an origin are kept as they are, infinity too', () => {
    const infinity = words(0xffff_ffff, 0x7fff_ffff);
    const draft = { ...commitWith(32, words(0xffff_ffff, 0xffff_ffff), infinity), xid: 820, originId: 4 };
    const found = changes(draft, { trackCommitTimestamp: true });
    expect(found).toContainEqual({ kind: 'replication-origin', originId: 4, remoteLsn: 2n ** 64n - 1n });
    const page = apply(found, { kind: 'slru', slru: 'commit-ts', page: 1 }, new Uint8Array(PAGE_SIZE));
    expect(new DataView(page.buffer).getBigInt64(10, true)).toBe(2n ** 63n - 1n);
  });

  it('A1: without an id, without an origin, or with one that has no progress, a transaction leaves none', () => {
    expect(changes({ ...commitWith(0), xid: 0 })).toEqual([]);
    const origin = [words(0x99, 0), words(7, 0)];
    const originsOf = (originId: number, xinfo: number) =>
      changes({ ...commitWith(xinfo, ...(xinfo === 0 ? [] : origin)), originId }).filter(
        ({ kind }) => kind === 'replication-origin',
      );
    expect(originsOf(4, 32)).toEqual([{ kind: 'replication-origin', originId: 4, remoteLsn: 0x99n }]);
    for (const [originId, xinfo] of [
      [4, 0],
      [0, 32],
      [0xffff, 32],
    ] as const)
      expect(originsOf(originId, xinfo)).toEqual([]);
  });

  it('A1: a prepared transaction ends with the text of its name or without', () => {
    const parts = [words(900), words(0x99, 0), words(7, 0)];
    const found = changes({ ...commitWith(16 | 32, ...parts), info: 0x80 | 0x30, originId: 4 });
    expect(found).toContainEqual({ kind: 'two-phase-remove', xid: 900 });
    expect(found).toContainEqual({ kind: 'replication-origin', originId: 4, remoteLsn: 0x99n });
  });

  it.each([
    [14, 64, 46, 48],
    [17, 72, 54, 56],
  ] as const)(
    'a PREPARE of Postgres %i tells its subtransactions and its origin',
    (major, size, gidLengthAt, originAt) => {
      const main = new Uint8Array(size + 16 + 8);
      main.set(words(555), 8);
      main.set(words(2), 28);
      writeU16(main, gidLengthAt, 9);
      main.set(words(0x99), originAt);
      main.set(words(556, 557), size + 16);
      const record = recordOf({ rmid: Rmgr.TRANSACTION, info: 0x10, xid: 555, main }, major);
      expect(parsePrepare(record)).toMatchObject({ xid: 555, subxids: Uint32Array.of(556, 557), originLsn: 0x99n });
    },
  );

  it.each([
    [14, 64, 46],
    [17, 72, 54],
  ] as const)('a PREPARE of Postgres %i makes the file of the transaction', (major, size, gidLengthAt) => {
    const main = new Uint8Array(size + 8 + 8);
    main.set(words(0x57f94534, main.length + 4, 555, 5));
    main.set(words(2), 28);
    writeU16(main, gidLengthAt, 4);
    main.set(words(556, 557), size + 8);
    const [change] = changes({ rmid: Rmgr.TRANSACTION, info: 0x10, xid: 555, main }, { major });
    expect(change).toEqual({ kind: 'two-phase-create', xid: 555, content: join(main, words(crc32c(main))) });
  });
});

describe('multixacts', () => {
  const creation = (id: number, offset: number, members: readonly (readonly [number, number])[]): RecordDraft => ({
    rmid: Rmgr.MULTIXACT,
    info: 0x20,
    main: words(id, offset, members.length, ...members.flat()),
  });
  const offsets = (page: number): PageId => ({ kind: 'slru', slru: 'multixact-offsets', page });
  const members = (page: number): PageId => ({ kind: 'slru', slru: 'multixact-members', page });

  it('J1: creating one writes its offset and the next one’s, across pages', () => {
    const found = changes(creation(2047, 100, [[900, 1]]));
    expect(pagesOf(found)).toEqual([offsets(0), offsets(1), members(0)]);
    const zeros = new Uint8Array(PAGE_SIZE);
    expect(readU32(apply(found, offsets(0), zeros), 2047 * 4)).toBe(100);
    expect(readU32(apply(found, offsets(1), zeros), 0)).toBe(101);
  });

  it('J1: ids and offsets go round and skip 0', () => {
    const found = changes(creation(0xffff_ffff, 0xffff_ffff, [[900, 1]]));
    const first = apply(found, offsets(0), new Uint8Array(PAGE_SIZE));
    expect(readU32(first, 4)).toBe(1);
  });

  it('J2: members lie in groups of four behind their status bytes, across pages', () => {
    const found = changes(
      creation(9, 1634, [
        [901, 0],
        [902, 5],
        [903, 4],
      ]),
    );
    expect(pagesOf(found).slice(1)).toEqual([members(0), members(1)]);
    const [before, after] = [0, 1].map((page) => apply(found, members(page), new Uint8Array(PAGE_SIZE)));
    const group = 408 * 20;
    expect([before![group + 2], before![group + 3], after![0]]).toEqual([0, 5, 4]);
    expect([readU32(before!, group + 4 + 8), readU32(before!, group + 4 + 12), readU32(after!, 4)]).toEqual([
      901, 902, 903,
    ]);
  });

  it('J2: members go round at 2^32, and leave those behind them alone', () => {
    const xids = [901, 902, 903, 904, 905, 906, 907];
    const found = changes(
      creation(
        9,
        0xffff_fffe,
        xids.map((xid) => [xid, 3] as const),
      ),
    );
    const last = Math.floor(0xffff_ffff / 1636);
    expect(pagesOf(found).slice(1)).toEqual([members(last), members(0)]);
    const [end, start] = [last, 0].map((page) => apply(found, members(page), new Uint8Array(PAGE_SIZE).fill(0xff)));
    const at = (member: number): number => Math.floor(member / 4) * 20 + 4 + (member % 4) * 4;
    const inPage = 0xffff_fffe % 1636;
    expect([0, 1, 2].map((i) => readU32(end!, at(inPage + i)))).toEqual([901, 902, 0xffff_ffff]);
    expect([0, 1, 2, 3, 4, 5].map((i) => readU32(start!, at(i)))).toEqual([903, 904, 905, 906, 907, 0xffff_ffff]);
    expect([...start!.subarray(0, 4), ...start!.subarray(20, 24)]).toEqual([3, 3, 3, 3, 3, 0xff, 0xff, 0xff]);
  });

  it.each([
    [1, 2_097_151],
    [2, 0],
    [2048, 0],
    [2049, 1],
  ])('truncation before multixact %i keeps offsets from page %i on', (endId, firstPage) => {
    const found = changes({ rmid: Rmgr.MULTIXACT, info: 0x30, main: words(5, 1, endId, 10, 3300) });
    expect(found[1]).toEqual({ kind: 'slru-truncate', slru: 'multixact-offsets', firstPage });
  });

  it('truncation cuts members by range and offsets one multixact early', () => {
    const draft = { rmid: Rmgr.MULTIXACT, info: 0x30, main: words(5, 1, 4096, 10, 3300) };
    expect(changes(draft)).toEqual([
      { kind: 'slru-truncate', slru: 'multixact-members', firstPage: 2, fromPage: 0 },
      { kind: 'slru-truncate', slru: 'multixact-offsets', firstPage: 1 },
    ]);
  });
});

describe('SLRU pages', () => {
  it.each([
    [16, words(77)],
    [17, words(77, 0)],
  ] as const)('Postgres %i: a ZEROPAGE record makes a page of zeros without one beneath', (major, main) => {
    const found = changes({ rmid: Rmgr.CLOG, info: 0, main }, { major });
    expect(found).toEqual([
      {
        kind: 'page-delta',
        page: { kind: 'slru', slru: 'xact', page: 77 },
        willInit: true,
        delta: expect.anything() as unknown,
      },
    ]);
    const page: PageId = { kind: 'slru', slru: 'xact', page: 77 };
    expect(apply(found, page, new Uint8Array(PAGE_SIZE).fill(1))).toEqual(new Uint8Array(PAGE_SIZE));
  });

  it.each([
    [Rmgr.CLOG, 0x00, 'xact'],
    [Rmgr.COMMIT_TS, 0x00, 'commit-ts'],
    [Rmgr.MULTIXACT, 0x00, 'multixact-offsets'],
    [Rmgr.MULTIXACT, 0x10, 'multixact-members'],
  ] as const)('a ZEROPAGE record of resource manager %i, %i, is of %s', (rmid, info, slru) => {
    const page = { kind: 'slru', slru, page: 77 };
    expect(changes({ rmid, info, main: words(77, 0) })).toMatchObject([{ kind: 'page-delta', page, willInit: true }]);
    expect(() => changes({ rmid, info, main: words(77, 1) })).toThrow(WalError);
  });

  it('U1: order goes round with the ids', () => {
    expect(slruPageIsBefore('xact', { page: 1, than: 2 })).toBe(true);
    expect(slruPageIsBefore('xact', { page: 2, than: 1 })).toBe(false);
    expect(slruPageIsBefore('xact', { page: 131_071, than: 3 })).toBe(true);
    expect(slruPageIsBefore('xact', { page: 3, than: 131_071 })).toBe(false);
    expect(slruPageIsBefore('xact', { page: 5, than: 5 })).toBe(false);
  });
});

describe('the visibility map', () => {
  const map = (): Uint8Array => {
    const page = new Uint8Array(PAGE_SIZE);
    initPage(page);
    for (let block = 0; block < 20; block++) setVisibilityBits(page, block, 3);
    return page;
  };
  const mapPage = relationPage(0, Fork.VISIBILITY_MAP);
  const update = (flags: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 1, 0, 0, flags, 0, 0, 0, 0, 1, 0);

  it('V1: an insert, delete or lock that cleared bits clears them on a map page it does not name, keeping its LSN', () => {
    const insert = changes({ rmid: Rmgr.HEAP, info: 0, main: Uint8Array.of(1, 0, 1), blocks: [heapBlock(0, 7)] });
    const after = apply(insert, mapPage, map());
    expect([6, 7, 8].map((block) => visibilityBits(after, block))).toEqual([3, 0, 3]);
    expect(pageLsn(after)).toBe(0);
    const lock = changes({ rmid: Rmgr.HEAP, info: 0x60, main: update(1).subarray(0, 8), blocks: [heapBlock(0, 7)] });
    expect(visibilityBits(apply(lock, mapPage, map()), 7)).toBe(1);
    const none = changes({ rmid: Rmgr.HEAP, info: 0, main: Uint8Array.of(1, 0, 2), blocks: [heapBlock(0, 7)] });
    expect(pagesOf(none)).toEqual([relationPage(7)]);
  });

  it('V1: an update clears the old tuple’s block and the new one’s, in one change where one map page holds both', () => {
    const blocks = [heapBlock(0, 7), heapBlock(1, 3)];
    const both = changes({ rmid: Rmgr.HEAP, info: 0x20, main: update(3), blocks });
    expect(
      both.filter((change) => change.kind === 'page-delta' && change.delta[0] === DeltaKind.VM_CLEAR),
    ).toHaveLength(1);
    const after = apply(both, mapPage, map());
    expect([3, 7, 8].map((block) => visibilityBits(after, block))).toEqual([0, 0, 3]);
    const old = apply(changes({ rmid: Rmgr.HEAP, info: 0x20, main: update(1), blocks }), mapPage, map());
    expect([3, 7].map((block) => visibilityBits(old, block))).toEqual([0, 3]);
    const successor = apply(changes({ rmid: Rmgr.HEAP, info: 0x20, main: update(2), blocks }), mapPage, map());
    expect([3, 7].map((block) => visibilityBits(successor, block))).toEqual([3, 0]);
    const hot = changes({ rmid: Rmgr.HEAP, info: 0x40, main: update(1), blocks: [heapBlock(0, 7)] });
    expect(visibilityBits(apply(hot, mapPage, map()), 7)).toBe(0);
    const hotSuccessor = changes({ rmid: Rmgr.HEAP, info: 0x40, main: update(2), blocks: [heapBlock(0, 7)] });
    expect(visibilityBits(apply(hotSuccessor, mapPage, map()), 7)).toBe(0);
  });

  it('V1: blocks whose bits are on two map pages are cleared on each', () => {
    const blocks = [heapBlock(0, HEAP_BLOCKS_PER_MAP_BLOCK + 7), heapBlock(1, 3)];
    const both = changes({ rmid: Rmgr.HEAP, info: 0x20, main: update(3), blocks });
    const [first, second] = [0, 1].map((page) => apply(both, relationPage(page, Fork.VISIBILITY_MAP), map()));
    expect([3, 7].map((block) => visibilityBits(first!, block))).toEqual([0, 3]);
    expect([3, 7].map((block) => visibilityBits(second!, block))).toEqual([3, 0]);
  });

  it('V1: a map page that the record names is a block like any other', () => {
    const named = heapBlock(1, 0, { fork: Fork.VISIBILITY_MAP });
    const found = changes({
      rmid: Rmgr.HEAP,
      info: 0x10,
      main: update(1).subarray(0, 8),
      blocks: [heapBlock(0, 7), named],
    });
    expect(pagesOf(found)).toEqual([relationPage(7), mapPage]);
    const after = apply(found, mapPage, map());
    expect(visibilityBits(after, 7)).toBe(0);
    expect(pageLsn(after)).toBe(END_LSN);
  });

  it('V2: truncation cuts each fork and clears the bits of what is gone', () => {
    const truncate = (blockCount: number) =>
      changes({ rmid: Rmgr.STORAGE, info: 0x20, main: words(blockCount, 1663, 5, 16384, 7) });
    const found = truncate(HEAP_BLOCKS_PER_MAP_BLOCK + 6);
    const cut = { kind: 'relation-truncate', relation: RELATION };
    expect(found).toMatchObject([
      { ...cut, fork: Fork.MAIN, blockCount: HEAP_BLOCKS_PER_MAP_BLOCK + 6 },
      { ...cut, fork: Fork.FSM, blockCount: 0 },
      { ...cut, fork: Fork.VISIBILITY_MAP, blockCount: 2 },
      { kind: 'page-delta', page: { block: 1, fork: Fork.VISIBILITY_MAP }, ifPresent: true, willInit: false },
    ]);
    const after = apply(found, relationPage(1, Fork.VISIBILITY_MAP), map());
    expect([4, 5, 6, 7, 19].map((block) => visibilityBits(after, block))).toEqual([3, 3, 0, 0, 0]);
    expect(truncate(0)).toHaveLength(3);
  });

  it.each([
    [1, Fork.MAIN],
    [2, Fork.VISIBILITY_MAP],
    [4, Fork.FSM],
  ])('V2: truncation with flags %i cuts fork %i alone', (flags, fork) => {
    const main = words(0, 1663, 5, 16384, flags);
    expect(changes({ rmid: Rmgr.STORAGE, info: 0x20, main })).toMatchObject([{ kind: 'relation-truncate', fork }]);
  });

  it('a fork is created if there is such a fork', () => {
    const create = (fork: number) => changes({ rmid: Rmgr.STORAGE, info: 0x10, main: words(1663, 5, 16384, fork) });
    for (const fork of [Fork.MAIN, Fork.FSM, Fork.VISIBILITY_MAP, Fork.INIT])
      expect(create(fork)).toEqual([{ kind: 'relation-create', relation: RELATION, fork }]);
    expect(() => create(4)).toThrow(UnsupportedRecord);
  });
});

describe('databases, relation maps, origins', () => {
  it('a database is created by copy or by pages, and dropped, with the codes of each major', () => {
    const database = (info: number, main: Uint8Array, major: PostgresMajor) =>
      changes({ rmid: Rmgr.DATABASE, info, main }, { major });
    const copy = {
      kind: 'database-create',
      tablespaceOid: 1663,
      databaseOid: 20,
      copyOf: { tablespaceOid: 1663, databaseOid: 1 },
    };
    const dropped = { kind: 'database-drop', tablespaceOid: 1663, databaseOid: 20 };
    for (const major of POSTGRES_MAJORS) expect(database(0x00, words(20, 1663, 1, 1663), major)).toEqual([copy]);
    expect(database(0x10, words(20, 1663), 17)).toEqual([{ ...copy, copyOf: null }]);
    expect(database(0x20, words(20, 1, 1663), 17)).toEqual([dropped]);
    expect(database(0x10, words(20, 1, 1663), 14)).toEqual([dropped]);
  });

  it('a relation map is taken whole, and refused when it has another major’s size', () => {
    const update = (size: number, major: PostgresMajor) =>
      changes(
        { rmid: Rmgr.RELMAP, info: 0, main: join(words(5, 1663, size), new Uint8Array(size).fill(3)) },
        { major },
      );
    expect(update(524, 17)).toEqual([
      { kind: 'relation-map', tablespaceOid: 1663, databaseOid: 5, content: new Uint8Array(524).fill(3) },
    ]);
    expect(() => update(524, 15)).toThrow(UnsupportedRecord);
  });

  it('an origin’s progress is set and dropped', () => {
    const set = changes({ rmid: Rmgr.REPLICATION_ORIGIN, info: 0, main: words(0x55, 0, 3, 0) });
    const drop = changes({ rmid: Rmgr.REPLICATION_ORIGIN, info: 0x10, main: Uint8Array.of(3, 0) });
    expect([...set, ...drop]).toEqual([
      { kind: 'replication-origin', originId: 3, remoteLsn: 0x55n },
      { kind: 'replication-origin', originId: 3, remoteLsn: null },
    ]);
  });
});

describe('pages that a record names', () => {
  const page = new Uint8Array(PAGE_SIZE);
  initPage(page, 16);
  page.fill(9, 4000, PAGE_SIZE - 16);
  const image = { bytes: page, holeOffset: 0, holeLength: 0, compression: 'none' as const, apply: true };

  it('L1: an image to be restored is the page, with the record’s LSN', () => {
    const [change] = changes({ rmid: Rmgr.XLOG, info: 0xb0, blocks: [heapBlock(0, 3, { image })] });
    expect(change).toMatchObject({ kind: 'page-image', page: relationPage(3) });
    if (change?.kind !== 'page-image') throw new Error('not an image');
    expect(pageLsn(change.image)).toBe(END_LSN);
    expect(change.image.subarray(8)).toEqual(page.subarray(8));
  });

  it('L1: an image of a page of zeros stays one', () => {
    const zeros = { ...image, bytes: new Uint8Array(PAGE_SIZE) };
    const [change] = changes({ rmid: Rmgr.XLOG, info: 0xb0, blocks: [heapBlock(0, 3, { image: zeros })] });
    expect(change).toMatchObject({ image: new Uint8Array(PAGE_SIZE) });
  });

  it('L1: where redo goes on after the image, the delta holds it', () => {
    const kindsOf = (rmid: number, info: number, id: number) =>
      changes({ rmid, info, main: new Uint8Array(32), blocks: [heapBlock(id, 3, { image })] }).map(({ kind }) => kind);
    expect(kindsOf(Rmgr.HASH, 0x40, 0)).toEqual(['page-delta']);
    expect(kindsOf(Rmgr.HASH, 0x40, 1)).toEqual(['page-delta']);
    expect(kindsOf(Rmgr.HASH, 0x60, 1)).toEqual(['page-delta']);
    expect(kindsOf(Rmgr.GIST, 0x00, 1)).toEqual(['page-delta']);
    expect(kindsOf(Rmgr.GIST, 0x00, 0)).toEqual(['page-image']);
    expect(kindsOf(Rmgr.GIST, 0x30, 0)).toEqual(['page-delta']);
  });

  it('L1: the metapage of a bucket split is the image that comes with it, by either way of redo', () => {
    // new_bucket, old_bucket_flag, new_bucket_flag, flags: masks and splitpoint, whose values the image has replaced.
    const main = join(words(2), Uint8Array.of(0x22, 0, 0x12, 0, 3));
    const blocks = [heapBlock(0, 1), heapBlock(1, 3, { willInit: true }), heapBlock(2, 0, { image })];
    const [, , meta] = changes({ rmid: Rmgr.HASH, info: 0x40, main, blocks });
    expect(meta).toMatchObject({ kind: 'page-image', page: relationPage(0) });
  });

  it('L1: such a delta begins with the image whatever is beneath, and redo follows', () => {
    const child = heapBlock(1, 3, { image });
    const found = changes({
      rmid: Rmgr.GIST,
      info: 0,
      main: new Uint8Array(4),
      blocks: [heapBlock(0, 2, { image }), child],
    });
    const [first, second] = [0xaa, 0x55].map((byte) =>
      apply(found, relationPage(3), new Uint8Array(PAGE_SIZE).fill(byte)),
    );
    expect(first).toEqual(second);
    expect(pageLsn(first!)).toBe(END_LSN);
    expect(first!.subarray(4000, PAGE_SIZE - 16)).toEqual(page.subarray(4000, PAGE_SIZE - 16));
  });

  it('Y1: a delta holds neither the data of other blocks nor images kept for checking', () => {
    const check = { ...image, apply: false };
    const blocks = [
      heapBlock(0, 3, { data: new Uint8Array(40).fill(1), image: check }),
      heapBlock(1, 4, { data: new Uint8Array(3000).fill(2), image: check }),
    ];
    const found = changes({ rmid: Rmgr.BTREE, info: 0x30, main: new Uint8Array(10), blocks });
    expect(found.map((change) => (change.kind === 'page-delta' ? change.delta.length < 200 : null))).toEqual([
      true,
      false,
    ]);
    const [first] = found;
    if (first?.kind !== 'page-delta') throw new Error('not a delta');
    const record = parseRecord(first.delta.subarray(7), { major: 17, lsn: Lsn.of(0x2000000), endLsn: END_LSN });
    expect(record.blocks).toMatchObject([
      { id: 0, block: 3, dataLength: 40, image: null },
      { id: 1, block: 4, dataLength: 0, image: null },
    ]);
    expect(record.mainLength).toBe(10);
  });

  it('Y1: what other blocks hold is left out from 256 bytes on', () => {
    const other = (size: number, ofOther: Partial<BlockDraft> = {}): RecordDraft => ({
      rmid: Rmgr.HASH,
      info: 0x60,
      main: new Uint8Array(4),
      blocks: [
        heapBlock(0, 3, { data: new Uint8Array(300) }),
        heapBlock(1, 4, { data: new Uint8Array(size), ...ofOther }),
      ],
    });
    /** Whether the delta of the first block is the whole record. */
    const isWhole = (draft: RecordDraft): boolean => {
      const [change] = changes(draft);
      const expected = encodeRecord(draft, { major: 17, prevLsn: Lsn.of(8) });
      return change?.kind === 'page-delta' && Buffer.compare(change.delta.subarray(7), expected) === 0;
    };
    const imageOf = (size: number, apply: boolean) => ({
      image: { ...image, bytes: page.subarray(0, size), holeOffset: size, holeLength: PAGE_SIZE - size, apply },
    });
    expect([255, 256].map((size) => isWhole(other(size)))).toEqual([true, false]);
    expect([127, 128].map((size) => isWhole(other(128, imageOf(size, true))))).toEqual([true, false]);
    const own = (apply: boolean): RecordDraft => ({
      ...other(0),
      blocks: [heapBlock(0, 3, imageOf(300, apply)), heapBlock(1, 4)],
    });
    expect([true, false].map((apply) => isWhole(own(apply)))).toEqual([true, false]);
  });

  it('Y1: a record of one block without an image is its own delta', () => {
    const draft = {
      rmid: Rmgr.HEAP,
      info: 0,
      main: Uint8Array.of(1, 0, 0),
      blocks: [heapBlock(0, 3, { data: new Uint8Array(9) })],
    };
    const [change] = changes(draft, { walLogHints: true });
    const expected = encodeRecord(draft, { major: 17, prevLsn: Lsn.of(8) });
    if (change?.kind !== 'page-delta') throw new Error('not a delta');
    expect([...change.delta.subarray(0, 3)]).toEqual([DeltaKind.RECORD, 1, 0]);
    expect(Buffer.compare(change.delta.subarray(7), expected)).toBe(0);
  });

  it.each([
    ['a whole record', heapBlock(0, 3, { data: new Uint8Array(61).fill(7) }), heapBlock(1, 4)],
    ['a record without the data of another block', heapBlock(0, 3), heapBlock(1, 4, { data: new Uint8Array(300) })],
  ])('C3: the delta of %s is written to where the store keeps it, and nothing beside it', (_, ...blocks) => {
    const record = recordOf({ rmid: Rmgr.HEAP, info: 0x20, xid: 9, main: new Uint8Array(14), blocks });
    const [unwritten] = unwrittenChangesOf(record);
    const [change] = changesOf(record);
    if (unwritten?.kind !== 'page-delta' || change?.kind !== 'page-delta') throw new Error('not a delta');
    const { length } = unwritten.delta;
    const kept = new Uint8Array(length + 20).fill(0xee);
    writeBytes(unwritten.delta, kept, 10);
    const expected = new Uint8Array(length + 20).fill(0xee);
    expected.set(change.delta, 10);
    expect(change.delta.length).toBe(length);
    expect(Buffer.compare(kept, expected)).toBe(0);
  });

  it('L3: a record that only its images can redo is refused without them; a hint without one is no change', () => {
    for (const [rmid, info] of [
      [Rmgr.XLOG, 0xb0],
      [Rmgr.HASH, 0x50],
      [Rmgr.GIN, 0x30],
      [Rmgr.GIN, 0x40],
    ] as const)
      expect(() => changes({ rmid, info, main: new Uint8Array(40), blocks: [heapBlock(0, 3)] })).toThrow(
        UnsupportedRecord,
      );
    expect(changes({ rmid: Rmgr.XLOG, info: 0xa0, blocks: [heapBlock(0, 3)] })).toEqual([]);
  });

  it('a compressed image without a decoder is refused by name', () => {
    const zstd = { ...image, bytes: new Uint8Array(100), compression: 'zstd' as const };
    const draft = { rmid: Rmgr.XLOG, info: 0xb0, blocks: [heapBlock(0, 3, { image: zstd })] };
    expect(() => changes(draft)).toThrow(expect.objectContaining({ reason: 'image-compression' }));
    expect(() => changes(draft, { zstd: () => new Uint8Array(5) })).toThrow(
      expect.objectContaining({ reason: 'image' }),
    );
    expect(changes(draft, { zstd: () => page })).toMatchObject([{ kind: 'page-image' }]);
    const broken = (): Uint8Array => {
      throw new Error('not a frame');
    };
    expect(() => changes(draft, { zstd: broken })).toThrow(expect.objectContaining({ reason: 'image' }));
  });

  it('a delta that begins with a compressed image needs the decoder too', () => {
    const zstd = { ...image, bytes: new Uint8Array(100), compression: 'zstd' as const };
    const draft = { rmid: Rmgr.HASH, info: 0x60, main: new Uint8Array(4), blocks: [heapBlock(0, 3, { image: zstd })] };
    const [change] = changes(draft);
    if (change?.kind !== 'page-delta') throw new Error('not a delta');
    const context = { page: relationPage(3), endLsn: END_LSN, major: 17 as const };
    const after = new Uint8Array(PAGE_SIZE);
    applyDelta(after, change.delta, { ...context, zstd: () => page });
    expect(after.subarray(4000, PAGE_SIZE - 16)).toEqual(page.subarray(4000, PAGE_SIZE - 16));
    expect(() => applyDelta(after, change.delta, context)).toThrow(WalError);
  });
});

describe('C1: nothing is skipped silently', () => {
  it.each([
    [17, 130, 0x00, 'custom130/UNKNOWN (0)'],
    [16, Rmgr.XLOG, 0xe0, 'XLOG/UNKNOWN (e0)'],
    [17, Rmgr.BTREE, 0xf0, 'Btree/UNKNOWN (f0)'],
    [17, Rmgr.TABLESPACE, 0x00, 'Tablespace/CREATE'],
  ] as const)('Postgres %i refuses record %i %i, %s', (major, rmid, info, recordName) => {
    expect(() => changes({ rmid, info, main: new Uint8Array(40) }, { major })).toThrow(
      expect.objectContaining({ name: 'UnsupportedRecord', recordName, lsn: 0x2000000 }),
    );
  });

  it.each([
    [129, 'resource manager 129, of OrioleDB'],
    [140, 'resource manager 140, of pg_tde (Percona)'],
    [128, 'resource manager 128, of an extension in development'],
    [199, 'resource manager 199, of an extension'],
  ] as const)('E1: a record of custom resource manager %i is refused as %s, with what to do', (rmid, who) => {
    const refusal = `${who}: only the extension itself can redo its WAL. Branch from before this record`;
    expect(() => changes({ rmid, info: 0, main: new Uint8Array(4) })).toThrow(refusal);
  });

  it('records without durable effect have no changes', () => {
    for (const [rmid, info] of [
      [Rmgr.XLOG, 0x00],
      [Rmgr.XLOG, 0x40],
      [Rmgr.STANDBY, 0x10],
      [Rmgr.LOGICAL_MESSAGE, 0x00],
      [Rmgr.HEAP2, 0x70],
      [Rmgr.HEAP2, 0x00],
      [Rmgr.HEAP, 0x30],
      [Rmgr.BTREE, 0xd0],
      [Rmgr.TRANSACTION, 0x50],
    ] as const)
      expect(changes({ rmid, info, main: new Uint8Array(100) })).toEqual([]);
  });

  it('whatever its main data holds, a record is changes or a typed error', () => {
    fc.assert(
      fc.property(
        fc.nat(21),
        fc.nat(15),
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom(...POSTGRES_MAJORS),
        (rmid, code, main, major) => {
          try {
            changes({ rmid, info: code << 4, main, xid: 5 }, { major, trackCommitTimestamp: true });
          } catch (error) {
            expect(error instanceof WalError || error instanceof UnsupportedRecord).toBe(true);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('redoRecord', () => {
  const insertion = (page: Uint8Array | null): RecordDraft => {
    const image =
      page === null
        ? {}
        : { image: { bytes: page, holeOffset: 0, holeLength: 0, compression: 'none' as const, apply: true } };
    const data = Uint8Array.of(1, 0, 0, 8, 24, 0, 7);
    return {
      rmid: Rmgr.HEAP,
      info: 0,
      xid: 9,
      main: Uint8Array.of(1, 0, 1),
      blocks: [heapBlock(0, 5, { data, ...image })],
    };
  };

  it.each([
    ['a delta', null],
    ['an image', new Uint8Array(PAGE_SIZE).fill(7)],
  ])('I1: leads to the page that %s leads to, and tells what else changes', (_, image) => {
    const page = new Uint8Array(PAGE_SIZE);
    initPage(page);
    const record = recordOf(insertion(image));
    const expected = page.slice();
    for (const change of changesOf(record)) {
      if (change.kind === 'page-image') expected.set(change.image);
      else if (change.kind === 'page-delta' && change.page.kind === 'relation' && change.page.fork === Fork.MAIN)
        applyDelta(expected, change.delta, { page: change.page, endLsn: END_LSN, major: 17 });
    }
    const told: Change[] = [];
    redoRecord(record, { pageOf: () => page, apply: (change) => told.push(change) });
    expect(Buffer.compare(page, expected)).toBe(0);
    expect(pagesOf(told)).toEqual([relationPage(0, Fork.VISIBILITY_MAP)]);
  });

  it('I1: a block to be initialized is of zeros before its redo', () => {
    const header = new Uint8Array(24);
    header.set([0, 32, 0, 32, 0, 32, 4, 32], 12);
    writeU16(header, 12, 24);
    writeU16(header, 14, 24);
    const data = join(Uint8Array.of(0, 0, 24, 0), header);
    const record = recordOf({ rmid: Rmgr.GENERIC, info: 0, blocks: [heapBlock(0, 5, { data, willInit: true })] });
    const page = new Uint8Array(PAGE_SIZE).fill(1);
    redoRecord(record, { pageOf: () => page, apply: () => undefined });
    expect(page.subarray(24).every((byte) => byte === 0)).toBe(true);
  });

  it('builds a page from nothing where the record says so, and refuses what changesOf refuses', () => {
    const init = { ...insertion(null), info: 0x80 };
    const page = new Uint8Array(PAGE_SIZE).fill(1);
    const [block] = init.blocks ?? [];
    const record = recordOf({ ...init, blocks: block === undefined ? [] : [{ ...block, willInit: true }] });
    redoRecord(record, { pageOf: () => page, apply: () => undefined });
    expect(page.subarray(8, 24)).toEqual(Uint8Array.of(0, 0, 0, 0, 28, 0, 224, 31, 0, 32, 4, 32, 0, 0, 0, 0));
    const hint = recordOf({ rmid: Rmgr.XLOG, info: 0xa0, blocks: [heapBlock(0, 3)] });
    const untouched = page.slice();
    redoRecord(hint, { pageOf: () => page, apply: () => undefined });
    expect(page).toEqual(untouched);
    const custom = recordOf({ rmid: 130, info: 0, main: new Uint8Array(4) });
    expect(() => redoRecord(custom, { pageOf: () => page, apply: () => undefined })).toThrow(UnsupportedRecord);
  });
});
