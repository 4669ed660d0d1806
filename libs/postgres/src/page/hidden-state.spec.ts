import { Lsn } from '@neon/kernel';
import { addItem, pieceOf } from './bufpage';
import { GinFlag, initGinPage } from './gin-page';
import { GistFlag, gistFlags, initGistPage, setGistFlags, setGistNsn } from './gist-page';
import { Infomask, setTupleInfomask } from './heap-tuple';
import { fileHides, imageHides } from './hidden-state';
import { itemAt } from './line-pointer';
import { PAGE_SIZE, PageFlag, initPage, setPageFlags, setPageLsn, setPagePruneXid } from './page-header';
import type { PageKind } from './page-kind';

const LSN = Lsn.parse('1/28');
const OTHER = Lsn.parse('2/28');

function page(init: (page: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  init(bytes);
  setPageLsn(bytes, LSN);
  return bytes;
}

const heapPage = (): Uint8Array =>
  page((bytes) => {
    initPage(bytes);
    addItem(bytes, pieceOf(new Uint8Array(27).fill(1)), 1);
    setTupleInfomask(bytes, itemAt(bytes, 1), Infomask.XMAX_LOCK_ONLY);
  });
const gistPage = (): Uint8Array => page((bytes) => initGistPage(bytes, GistFlag.LEAF));
const deletedGinPage = (): Uint8Array => page((bytes) => initGinPage(bytes, GinFlag.DELETED));

/** Where an image, and where a file's page, differ from a page that was changed. */
function differences(kind: PageKind, make: () => Uint8Array, change: (page: Uint8Array) => void) {
  const changed = make();
  change(changed);
  const image = imageHides(make(), changed, { kind, lsns: [LSN] });
  const file = fileHides(make(), changed, { kind, lsns: [] });
  return { image: image?.offset, file: file?.offset };
}

describe('what masks hide', () => {
  test('H1: an image has the LSN from before its record, or none', () => {
    const image = heapPage();
    expect(imageHides(image, heapPage(), { kind: 'heap', lsns: [LSN] })).toBeNull();
    expect(imageHides(image, heapPage(), { kind: 'heap', lsns: [OTHER, undefined] })).toEqual({
      offset: 0,
      byteCount: 8,
    });
    setPageLsn(image, Lsn.ZERO);
    expect(imageHides(image, heapPage(), { kind: 'heap', lsns: [OTHER] })).toBeNull();
  });

  test('H1: a file has the replayed LSN, or one that replay need not follow', () => {
    const file = heapPage();
    setPageLsn(file, OTHER);
    expect(fileHides(file, heapPage(), { kind: 'heap', lsns: [undefined] })).toEqual({ offset: 0, byteCount: 8 });
    expect(fileHides(file, heapPage(), { kind: 'heap', lsns: [OTHER] })).toBeNull();
  });

  test('H1: pages of a GiST index built by sorting have the LSN 0/1, pages of other kinds never', () => {
    const [gist, heap] = [gistPage(), heapPage()];
    for (const built of [gist, heap]) setPageLsn(built, Lsn.of(1));
    expect(imageHides(gist, gistPage(), { kind: 'gist', lsns: [LSN] })).toBeNull();
    expect(fileHides(gist, gistPage(), { kind: 'gist', lsns: [] })).toBeNull();
    expect(imageHides(heap, heapPage(), { kind: 'heap', lsns: [LSN] })).not.toBeNull();
  });

  test('H2: PD_ALL_VISIBLE of heap pages', () => {
    const change = (bytes: Uint8Array) => setPageFlags(bytes, PageFlag.ALL_VISIBLE);
    expect(differences('heap', heapPage, change)).toEqual({ image: 10, file: 10 });
  });

  test('H2: hints on heap pages are the server’s own', () => {
    const change = (bytes: Uint8Array) => {
      setPageFlags(bytes, PageFlag.HAS_FREE_LINES | PageFlag.PAGE_FULL);
      setPagePruneXid(bytes, 700);
    };
    expect(differences('heap', heapPage, change)).toEqual({});
  });

  test.each([
    ['XMAX_IS_MULTI', Infomask.XMAX_LOCK_ONLY | Infomask.XMAX_IS_MULTI],
    ['XMAX_EXCL_LOCK', Infomask.XMAX_LOCK_ONLY | Infomask.XMAX_EXCL_LOCK],
    ['XMAX_KEYSHR_LOCK', Infomask.XMAX_LOCK_ONLY | Infomask.XMAX_KEYSHR_LOCK],
    ['XMAX_LOCK_ONLY', 0],
  ])('H3: %s of a tuple', (_, infomask) => {
    const tuple = itemAt(heapPage(), 1);
    const change = (bytes: Uint8Array) => setTupleInfomask(bytes, tuple, infomask);
    expect(differences('heap', heapPage, change)).toEqual({ image: tuple, file: tuple });
  });

  test('H3: hints and the combo mark of a tuple are the server’s own', () => {
    const infomask = Infomask.XMAX_LOCK_ONLY | Infomask.XMAX_INVALID | Infomask.XMAX_COMMITTED | Infomask.COMBOCID;
    const change = (bytes: Uint8Array) => setTupleInfomask(bytes, itemAt(bytes, 1), infomask);
    expect(differences('heap', heapPage, change)).toEqual({});
  });

  test('H4: the xid after which a deleted GIN page is free', () => {
    const change = (bytes: Uint8Array) => setPagePruneXid(bytes, 700);
    expect(differences('gin', deletedGinPage, change)).toEqual({ image: 20, file: 20 });
    expect(differences('gin', () => page((bytes) => initGinPage(bytes, GinFlag.LEAF)), change)).toEqual({});
  });

  test('H5: the NSN and the follow-right flag of a GiST page in a file, not in an image', () => {
    const special = PAGE_SIZE - 16;
    expect(differences('gist', gistPage, (bytes) => setGistNsn(bytes, OTHER))).toEqual({ file: special });
    expect(
      differences('gist', gistPage, (bytes) => setGistFlags(bytes, gistFlags(bytes) | GistFlag.FOLLOW_RIGHT)),
    ).toEqual({ file: special });
    expect(
      differences('gist', gistPage, (bytes) => setGistFlags(bytes, gistFlags(bytes) | GistFlag.HAS_GARBAGE)),
    ).toEqual({});
  });

  test('a page of zeros hides nothing', () => {
    const empty = new Uint8Array(PAGE_SIZE);
    expect(imageHides(empty, empty, { kind: 'gin', lsns: [] })).toBeNull();
    expect(fileHides(empty, empty, { kind: 'gist', lsns: [] })).toBeNull();
  });
});
