import { Lsn } from '@neon/kernel';
import { addItem, pieceOf } from './bufpage';
import { BRIN_EVACUATE_PAGE, BrinPageType, initBrinPage } from './brin-page';
import { GinFlag, initGinPage } from './gin-page';
import { GistFlag, initGistPage, setGistFlags, setGistNsn } from './gist-page';
import { HashFlag, initHashMeta, initHashPage, initUnbucketedPage, setHashFlags } from './hash-page';
import { setTupleCid, setTupleInfomask, setTupleXmin, tupleCtidAt } from './heap-tuple';
import { SPECULATIVE_OFFSET_NUMBER, writeItemPointer } from './item-pointer';
import { ItemState, itemAt, linePointer, setLinePointer } from './line-pointer';
import { readU32, writeU16, writeU32 } from './little-endian';
import { maskPage } from './mask';
import { maskUnlogged } from './mask-unlogged';
import { BtreeFlag, initBtreePage, setBtreeCycleId, setBtreeFlags } from './nbtree-page';
import {
  PAGE_SIZE,
  PageFlag,
  initPage,
  pageSpecial,
  setPageChecksum,
  setPageFlags,
  setPageLsn,
  setPagePruneXid,
} from './page-header';
import { pageKindOf, type PageKind } from './page-kind';
import { initSpgistPage } from './spgist-page';

function page(init: (page: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  init(bytes);
  return bytes;
}

const heapPage = (): Uint8Array =>
  page((bytes) => {
    initPage(bytes);
    addItem(bytes, pieceOf(new Uint8Array(27).fill(1)), 1);
    setTupleInfomask(bytes, itemAt(bytes, 1), 0x0002);
  });

/** Whether a change to a page is hidden by its mask. */
function isHidden(kind: PageKind, make: () => Uint8Array, change: (page: Uint8Array) => void): boolean {
  const [original, changed] = [make(), make()];
  change(changed);
  expect(Buffer.compare(original, changed)).not.toBe(0);
  maskPage(original, kind, 5);
  maskPage(changed, kind, 5);
  return Buffer.compare(original, changed) === 0;
}

describe('the mask of every kind of page', () => {
  test('hides LSN and checksum', () => {
    const change = (bytes: Uint8Array) => {
      setPageLsn(bytes, Lsn.parse('1/2'));
      setPageChecksum(bytes, 7);
    };
    expect(isHidden('heap', heapPage, change)).toBe(true);
    expect(isHidden('generic', heapPage, change)).toBe(true);
  });

  test('hides the space between bounds', () => {
    expect(isHidden('heap', heapPage, (bytes) => bytes.fill(9, 100, 200))).toBe(true);
    expect(isHidden('sequence', heapPage, (bytes) => bytes.fill(9, 100, 200))).toBe(true);
  });
});

describe('the mask of a heap page', () => {
  const tuple = (bytes: Uint8Array): number => itemAt(bytes, 1);

  test('hides page hints, transaction status, command ids and padding', () => {
    expect(isHidden('heap', heapPage, (bytes) => setPageFlags(bytes, PageFlag.ALL_VISIBLE))).toBe(true);
    expect(isHidden('heap', heapPage, (bytes) => setPagePruneXid(bytes, 9))).toBe(true);
    expect(isHidden('heap', heapPage, (bytes) => setTupleInfomask(bytes, tuple(bytes), 0x0902))).toBe(true);
    expect(isHidden('heap', heapPage, (bytes) => setTupleCid(bytes, tuple(bytes), 3))).toBe(true);
    expect(isHidden('heap', heapPage, (bytes) => bytes.fill(9, tuple(bytes) + 27, tuple(bytes) + 32))).toBe(true);
  });

  test('shows xids, data and what is not status of a transaction', () => {
    expect(isHidden('heap', heapPage, (bytes) => setTupleXmin(bytes, tuple(bytes), 3))).toBe(false);
    expect(isHidden('heap', heapPage, (bytes) => setTupleInfomask(bytes, tuple(bytes), 0x0003))).toBe(false);
    expect(isHidden('heap', heapPage, (bytes) => bytes.fill(9, tuple(bytes) + 26, tuple(bytes) + 27))).toBe(false);
  });

  test('shows that a tuple is frozen, and of a frozen one all but the status of xmax', () => {
    const frozen = () => {
      const bytes = heapPage();
      setTupleInfomask(bytes, tuple(bytes), 0x0302);
      return bytes;
    };
    expect(isHidden('heap', frozen, (bytes) => setTupleInfomask(bytes, tuple(bytes), 0x0f22))).toBe(true);
    expect(isHidden('heap', frozen, (bytes) => setTupleInfomask(bytes, tuple(bytes), 0x0382))).toBe(false);
    expect(isHidden('heap', heapPage, (bytes) => setTupleInfomask(bytes, tuple(bytes), 0x0302))).toBe(false);
  });

  test('takes a speculative tuple for one that points to itself', () => {
    const ctid = (offsetNumber: number) => () => {
      const bytes = heapPage();
      writeItemPointer(bytes, tupleCtidAt(tuple(bytes)), { block: 5, offsetNumber });
      return bytes;
    };
    const speculative = ctid(SPECULATIVE_OFFSET_NUMBER)();
    const confirmed = ctid(1)();
    maskPage(speculative, 'heap', 5);
    maskPage(confirmed, 'heap', 5);
    expect(speculative).toEqual(confirmed);
  });

  test('shows the bits of a visibility map', () => {
    const map = () => page((bytes) => initPage(bytes));
    expect(isHidden('visibility-map', map, (bytes) => bytes.fill(1, 24, 25))).toBe(false);
    expect(isHidden('visibility-map', map, (bytes) => setPageLsn(bytes, Lsn.parse('0/8')))).toBe(true);
  });
});

describe('the masks of index pages', () => {
  const withItem = (init: (page: Uint8Array) => void) => () =>
    page((bytes) => {
      init(bytes);
      addItem(bytes, pieceOf(new Uint8Array(16)), 1);
    });
  const killItem = (bytes: Uint8Array) => setLinePointer(bytes, 1, linePointer(bytes, 1) | (ItemState.DEAD << 15));
  const btree = (flags: number) => withItem((bytes) => initBtreePage(bytes, { previous: 0, next: 0, level: 0, flags }));

  test('hide which items scans found dead, on leaves alone', () => {
    expect(isHidden('btree', btree(BtreeFlag.LEAF), killItem)).toBe(true);
    expect(isHidden('btree', btree(0), killItem)).toBe(false);
    expect(
      isHidden(
        'gist',
        withItem((bytes) => initGistPage(bytes, GistFlag.LEAF)),
        killItem,
      ),
    ).toBe(true);
    expect(
      isHidden(
        'gist',
        withItem((bytes) => initGistPage(bytes, 0)),
        killItem,
      ),
    ).toBe(false);
    const bucket = { previous: 0, bucket: 0, flags: HashFlag.BUCKET };
    expect(
      isHidden(
        'hash',
        withItem((bytes) => initHashPage(bytes, bucket)),
        killItem,
      ),
    ).toBe(true);
  });

  test('hide marks that are not logged', () => {
    expect(isHidden('btree', btree(0), (bytes) => setBtreeFlags(bytes, BtreeFlag.HAS_GARBAGE))).toBe(true);
    expect(isHidden('btree', btree(0), (bytes) => setBtreeCycleId(bytes, 4))).toBe(true);
    expect(isHidden('btree', btree(0), (bytes) => setBtreeFlags(bytes, BtreeFlag.INCOMPLETE_SPLIT))).toBe(false);
    const gist = withItem((bytes) => initGistPage(bytes, 0));
    expect(isHidden('gist', gist, (bytes) => setGistNsn(bytes, Lsn.parse('0/8')))).toBe(true);
    expect(isHidden('gist', gist, (bytes) => setGistFlags(bytes, GistFlag.FOLLOW_RIGHT))).toBe(true);
    const bucket = withItem((bytes) => initHashPage(bytes, { previous: 0, bucket: 0, flags: HashFlag.BUCKET }));
    const hasDead = HashFlag.BUCKET | HashFlag.HAS_DEAD_TUPLES;
    expect(isHidden('hash', bucket, (bytes) => setHashFlags(bytes, hasDead))).toBe(true);
    const brin = () => page((bytes) => initBrinPage(bytes, BrinPageType.REGULAR));
    expect(isHidden('brin', brin, (bytes) => writeU16(bytes, pageSpecial(bytes) + 4, BRIN_EVACUATE_PAGE))).toBe(true);
  });

  test('hide all of a page that is free', () => {
    const change = (bytes: Uint8Array) => bytes.fill(3, 60, 6000);
    expect(isHidden('hash', () => page((bytes) => initUnbucketedPage(bytes, HashFlag.UNUSED)), change)).toBe(true);
    expect(isHidden('gin', () => page((bytes) => initGinPage(bytes, GinFlag.DELETED)), change)).toBe(true);
  });

  test('leave a BRIN revmap, which has no bounds, as it is', () => {
    const revmap = () => page((bytes) => initBrinPage(bytes, BrinPageType.REVMAP));
    expect(isHidden('brin', revmap, (bytes) => bytes.fill(1, 24, 30))).toBe(false);
  });
});

describe('a page tells its kind', () => {
  const metaHash = { tupleCount: 0, procedureOid: 1, fillFactor: 75 };
  test.each<[PageKind, (page: Uint8Array) => void]>([
    ['heap', (bytes) => initPage(bytes)],
    ['btree', (bytes) => initBtreePage(bytes, { previous: 0, next: 0, level: 0, flags: 0 })],
    ['hash', (bytes) => initHashMeta(bytes, metaHash)],
    ['gist', (bytes) => initGistPage(bytes, 0)],
    ['gin', (bytes) => initGinPage(bytes, GinFlag.META)],
    ['spgist', (bytes) => initSpgistPage(bytes, 1)],
    ['brin', (bytes) => initBrinPage(bytes, BrinPageType.META)],
    ['sequence', (bytes) => (initPage(bytes, 4), writeU32(bytes, pageSpecial(bytes), 0x1717))],
    ['generic', (bytes) => initPage(bytes, 64)],
    ['generic', () => undefined],
  ])('%s', (kind, init) => {
    expect(pageKindOf(page(init), 0)).toBe(kind);
  });
});

describe('state that servers do not log', () => {
  test('is a sequence’s distance to the value that is logged, and where SP-GiST saw room', () => {
    const sequence = page((bytes) => {
      initPage(bytes, 4);
      const tuple = new Uint8Array(41).fill(5);
      tuple[22] = 24;
      addItem(bytes, pieceOf(tuple), 1);
    });
    maskUnlogged(sequence, 'sequence', 0);
    const data = itemAt(sequence, 1) + 24;
    expect(Buffer.from(sequence.subarray(data - 1, data + 17)).toString('hex')).toBe('05' + '00'.repeat(16) + '05');

    const meta = page((bytes) => {
      initSpgistPage(bytes, 1);
      bytes.fill(7, 24, 92);
      writeU16(bytes, 12, 92);
    });
    maskUnlogged(meta, 'spgist', 0);
    expect(readU32(meta, 24)).toBe(0x07070707);
    expect(readU32(meta, 28)).toBe(0);
    expect(readU32(meta, 88)).toBe(0);
  });
});
