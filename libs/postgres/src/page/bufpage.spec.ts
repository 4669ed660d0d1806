import { Corrupt, Lsn } from '@neon/kernel';
import fc from 'fast-check';
import {
  addItem,
  addItemInPlace,
  copyPiece,
  pieceOf,
  repairFragmentation,
  reserveHeapTuple,
  truncateLinePointerArray,
} from './bufpage';
import { deleteIndexTuple, deleteIndexTupleNoCompact, deleteIndexTuples, overwriteIndexTuple } from './index-page';
import {
  DEAD_POINTER,
  ItemState,
  UNUSED_POINTER,
  itemHasStorage,
  itemLength,
  itemOffset,
  itemState,
  linePointer,
  linePointerCount,
  normalPointer,
  redirectPointer,
  setLinePointer,
} from './line-pointer';
import { maxAlign } from './little-endian';
import {
  PAGE_SIZE,
  PageFlag,
  initPage,
  pageFlags,
  pageLower,
  pageLsn,
  pageSpecial,
  pageUpper,
  setPageFlags,
  setPageLsn,
} from './page-header';

const item = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

function newPage(specialSize = 0): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  initPage(page, specialSize);
  return page;
}

/** A page with items of these lengths, the n-th filled with n. */
function pageOf(lengths: readonly number[], specialSize = 0): Uint8Array {
  const page = newPage(specialSize);
  lengths.forEach((length, index) => addItem(page, pieceOf(item(length, index + 1)), index + 1));
  return page;
}

interface NaiveItem {
  readonly state: number;
  readonly data: string;
}

/** What a page means: for each line pointer its state and the bytes it points to, or where it redirects. */
function meaning(page: Uint8Array): NaiveItem[] {
  return Array.from({ length: linePointerCount(page) }, (_, index) => {
    const pointer = linePointer(page, index + 1);
    const offset = itemOffset(pointer);
    const data = itemHasStorage(pointer)
      ? Buffer.from(page.subarray(offset, offset + itemLength(pointer))).toString('hex')
      : String(offset);
    return { state: itemState(pointer), data };
  });
}

const normal = (bytes: Uint8Array): NaiveItem => ({
  state: ItemState.NORMAL,
  data: Buffer.from(bytes).toString('hex'),
});
const UNUSED: NaiveItem = { state: ItemState.UNUSED, data: '0' };
const DEAD: NaiveItem = { state: ItemState.DEAD, data: '0' };

/** Items lie one against the other at the page's end; in reverse line pointer order where that is promised. */
function expectCompact(page: Uint8Array, { ordered }: { ordered: boolean }): void {
  const pointers = Array.from({ length: linePointerCount(page) }, (_, index) => linePointer(page, index + 1));
  const stored = pointers.filter(itemHasStorage);
  if (!ordered) stored.sort((a, b) => itemOffset(b) - itemOffset(a));
  let upper = pageSpecial(page);
  for (const pointer of stored) {
    upper -= maxAlign(itemLength(pointer));
    expect(itemOffset(pointer)).toBe(upper);
  }
  expect(pageUpper(page)).toBe(upper);
}

describe('a page', () => {
  test('is laid out as Postgres lays it out: header, pointers upward, items downward, special space', () => {
    const page = pageOf([10, 16], 16);
    const header = Buffer.from(page.subarray(0, 32)).toString('hex');
    // pd_lsn 0, checksum 0, flags 0, lower 32, upper 8144, special 8176, size and version 0x2004, prune xid 0.
    // Line pointers: offset 8160, normal, length 10; offset 8144, normal, length 16.
    expect(header).toBe(
      '0000000000000000' + '00000000' + '2000' + 'd01f' + 'f01f' + '0420' + '00000000' + 'e09f1400' + 'd09f2000',
    );
    expect(Buffer.from(page.subarray(8160, 8176)).toString('hex')).toBe('01010101010101010101000000000000');
  });

  test('carries an LSN of more than 32 bits', () => {
    const page = newPage();
    for (const text of ['0/16B3748', '12345/FFFFFFF8', '1FFFFF/80000000']) {
      setPageLsn(page, Lsn.parse(text));
      expect(pageLsn(page)).toBe(Lsn.parse(text));
    }
  });

  test('refuses an item that does not fit, and bounds that cannot be', () => {
    const page = pageOf([8000]);
    expect(() => addItem(page, pieceOf(item(200, 1)), 2)).toThrow(Corrupt);
    expect(() => addItem(page, pieceOf(item(8, 1)), 3)).toThrow(Corrupt);
    page[14] = 0xff;
    page[15] = 0xff;
    expect(() => addItem(page, pieceOf(item(8, 1)), 2)).toThrow(Corrupt);
    expect(() => repairFragmentation(page)).toThrow(Corrupt);
  });

  test('adds an item between others by moving line pointers, not data', () => {
    const page = pageOf([8, 8, 8]);
    addItem(page, pieceOf(item(8, 9)), 2);
    expect(meaning(page)).toEqual([item(8, 1), item(8, 9), item(8, 2), item(8, 3)].map(normal));
    expectCompact(page, { ordered: false });
  });

  test('puts an item in place only of an unused one', () => {
    const page = pageOf([8, 8]);
    expect(() => addItemInPlace(page, pieceOf(item(8, 9)), 1)).toThrow(Corrupt);
    setLinePointer(page, 1, UNUSED_POINTER);
    addItemInPlace(page, pieceOf(item(24, 9)), 1);
    expect(meaning(page)).toEqual([normal(item(24, 9)), normal(item(8, 2))]);
  });

  test('holds at most 291 heap tuples', () => {
    const page = newPage();
    for (let number = 1; number <= 291; number++) reserveHeapTuple(page, 23, { offsetNumber: number });
    expect(() => reserveHeapTuple(page, 1, { offsetNumber: 292 })).toThrow(Corrupt);
  });
});

describe('a piece of bytes', () => {
  test('is copied as it was, short or long, from elsewhere or from the same page, over itself too', () => {
    const source = Uint8Array.from({ length: 100 }, (_, index) => index + 1);
    for (const length of [0, 8, 24, 25, 60]) {
      const expected = [...source.subarray(0, length)];
      const target = new Uint8Array(60);
      copyPiece(target, 0, { bytes: source, offset: 0, length });
      expect([...target.subarray(0, length)]).toEqual(expected);
      const same = source.slice();
      copyPiece(same, 2, { bytes: same, offset: 0, length });
      expect([...same.subarray(2, 2 + length)]).toEqual(expected);
      expect([...same.subarray(2 + length)]).toEqual([...source.subarray(2 + length)]);
    }
  });

  test.each([
    ['begins before its bytes', 0, -1, 4],
    ['has less than no bytes', 5, 5, -1],
    ['ends behind its bytes', 0, 5, 4],
    ['would lie before the target', -1, 0, 4],
    ['would end behind the target', 7, 0, 4],
  ])('that %s is refused', (_name, at, offset, length) => {
    expect(() => copyPiece(new Uint8Array(10), at, { bytes: new Uint8Array(8), offset, length })).toThrow(RangeError);
  });
});

describe('repairing fragmentation', () => {
  test('closes gaps, drops unused pointers at the end and remembers those in between', () => {
    const page = pageOf([100, 50, 60, 70, 80]);
    setLinePointer(page, 2, UNUSED_POINTER);
    setLinePointer(page, 3, DEAD_POINTER);
    setLinePointer(page, 5, UNUSED_POINTER);
    repairFragmentation(page);
    expect(meaning(page)).toEqual([normal(item(100, 1)), UNUSED, DEAD, normal(item(70, 4))]);
    expectCompact(page, { ordered: true });
    expect(pageFlags(page)).toBe(PageFlag.HAS_FREE_LINES);
    expect(pageLower(page)).toBe(24 + 4 * 4);
  });

  test('keeps the line pointer array as long as it is for Postgres 14', () => {
    const page = pageOf([8, 8]);
    setLinePointer(page, 2, UNUSED_POINTER);
    repairFragmentation(page, false);
    expect(meaning(page)).toEqual([normal(item(8, 1)), UNUSED]);
    expect(pageFlags(page)).toBe(PageFlag.HAS_FREE_LINES);
  });

  test('forgets the hint when no unused pointer remains, whether some went or not', () => {
    for (const unused of [[], [3]]) {
      const page = pageOf([8, 8, 8]);
      setPageFlags(page, PageFlag.HAS_FREE_LINES | PageFlag.PAGE_FULL);
      for (const number of unused) setLinePointer(page, number, UNUSED_POINTER);
      repairFragmentation(page);
      expect(pageFlags(page)).toBe(PageFlag.PAGE_FULL);
    }
    const page = pageOf([8, 8, 8]);
    setPageFlags(page, PageFlag.HAS_FREE_LINES);
    setLinePointer(page, 2, UNUSED_POINTER);
    repairFragmentation(page);
    expect(pageFlags(page)).toBe(PageFlag.HAS_FREE_LINES);
    const none = pageOf([8, 8]);
    repairFragmentation(none);
    expect(pageFlags(none)).toBe(0);
  });

  test('drops all line pointers of a page of nothing else', () => {
    const page = newPage();
    for (const bound of [12, 14]) page.set([0, 32], bound);
    repairFragmentation(page);
    expect(pageLower(page)).toBe(24);
  });

  test('clears what an unused pointer still says', () => {
    const page = pageOf([8, 8]);
    setLinePointer(page, 1, 100);
    repairFragmentation(page);
    expect(linePointer(page, 1)).toBe(UNUSED_POINTER);
  });

  test('refuses items that together take more than there is', () => {
    const page = pageOf([5000, 8]);
    setLinePointer(page, 2, linePointer(page, 1));
    expect(() => repairFragmentation(page)).toThrow(Corrupt);
    const full = pageOf([4080, 4080]);
    repairFragmentation(full);
    expect(meaning(full)).toEqual([normal(item(4080, 1)), normal(item(4080, 2))]);
  });

  const lengths = fc.array(fc.integer({ min: 1, max: 180 }), { minLength: 1, maxLength: 40 });
  const fate = fc.constantFrom('stays', 'unused', 'dead', 'redirect');

  test('loses no item and leaves all of them in reverse pointer order, whatever order they lay in', () => {
    fc.assert(
      fc.property(lengths, fc.array(fate, { minLength: 40, maxLength: 40 }), fc.nat(), (sizes, fates, swap) => {
        const page = pageOf(sizes);
        // Two pointers change places, so that items are not in order.
        const [a, b] = [1 + (swap % sizes.length), sizes.length];
        const [pointerA, pointerB] = [linePointer(page, a), linePointer(page, b)];
        setLinePointer(page, a, pointerB);
        setLinePointer(page, b, pointerA);
        sizes.forEach((_, index) => {
          if (fates[index] === 'unused') setLinePointer(page, index + 1, UNUSED_POINTER);
          if (fates[index] === 'dead') setLinePointer(page, index + 1, DEAD_POINTER);
          if (fates[index] === 'redirect') setLinePointer(page, index + 1, redirectPointer(1));
        });
        const before = meaning(page);
        while (before.at(-1)?.state === ItemState.UNUSED) before.pop();
        repairFragmentation(page);
        expect(meaning(page)).toEqual(before);
        expectCompact(page, { ordered: true });
      }),
    );
  });
});

describe('truncating line pointers', () => {
  test('drops unused ones at the end, but never the first', () => {
    const page = pageOf([8, 8, 8]);
    for (const number of [1, 2, 3]) setLinePointer(page, number, UNUSED_POINTER);
    truncateLinePointerArray(page);
    expect(linePointerCount(page)).toBe(1);
    expect(pageFlags(page)).toBe(PageFlag.HAS_FREE_LINES);
  });

  test('sets the hint only when unused ones remain', () => {
    const page = pageOf([8, 8, 8]);
    setLinePointer(page, 3, UNUSED_POINTER);
    truncateLinePointerArray(page);
    expect(linePointerCount(page)).toBe(2);
    expect(pageFlags(page)).toBe(0);
  });
});

describe('an index page', () => {
  const lengths = fc.array(fc.integer({ min: 8, max: 120 }), { minLength: 1, maxLength: 50 });

  test('means the same as a list after any deletions, insertions and replacements', () => {
    const step = fc.record({
      kind: fc.constantFrom('delete', 'add', 'overwrite'),
      at: fc.nat(),
      length: fc.integer({ min: 8, max: 90 }),
    });
    fc.assert(
      fc.property(lengths, fc.array(step, { maxLength: 30 }), (sizes, steps) => {
        const page = pageOf(sizes, 16);
        const model = sizes.map((size, index) => item(size, index + 1));
        steps.forEach(({ kind, at, length }, index) => {
          const number = 1 + (at % Math.max(1, model.length));
          const bytes = item(length, 100 + index);
          if (kind === 'add') {
            addItem(page, pieceOf(bytes), number);
            model.splice(number - 1, 0, bytes);
          } else if (model.length > 0 && kind === 'delete') {
            deleteIndexTuple(page, number);
            model.splice(number - 1, 1);
          } else if (model.length > 0) {
            overwriteIndexTuple(page, number, pieceOf(bytes));
            model[number - 1] = bytes;
          }
          expect(meaning(page)).toEqual(model.map(normal));
          expectCompact(page, { ordered: false });
        });
      }),
    );
  });

  test('deletes many items as it would one by one from the back', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.nat(), { maxLength: 30 }), (sizes, picks) => {
        const numbers = [...new Set(picks.map((pick) => 1 + (pick % sizes.length)))].sort((a, b) => a - b);
        const together = pageOf(sizes);
        const singly = together.slice();
        deleteIndexTuples(together, numbers);
        for (const number of numbers.slice().reverse()) deleteIndexTuple(singly, number);
        expect(meaning(together)).toEqual(meaning(singly));
        expectCompact(together, { ordered: true });
      }),
    );
  });

  test('refuses to delete what is not there, and in another order than ascending', () => {
    expect(() => deleteIndexTuple(pageOf([8]), 2)).toThrow(Corrupt);
    expect(() => deleteIndexTuples(pageOf([8, 8, 8, 8]), [3, 2, 1])).toThrow(Corrupt);
  });

  test('keeps the numbers of other items when one is deleted without compaction', () => {
    const page = pageOf([8, 16, 24]);
    deleteIndexTupleNoCompact(page, 2);
    expect(meaning(page)).toEqual([normal(item(8, 1)), UNUSED, normal(item(24, 3))]);
    deleteIndexTupleNoCompact(page, 3);
    expect(meaning(page)).toEqual([normal(item(8, 1)), UNUSED]);
    expectCompact(page, { ordered: true });
  });

  test('refuses to delete some of items that together take more than there is', () => {
    const page = pageOf([5000, 8, 8, 8, 8]);
    setLinePointer(page, 2, linePointer(page, 1));
    expect(() => deleteIndexTuples(page, [3, 4, 5])).toThrow(Corrupt);
  });

  test('refuses an item pointer that leads out of the item space', () => {
    const page = pageOf([8]);
    setLinePointer(page, 1, normalPointer(8, 8));
    expect(() => deleteIndexTuple(page, 1)).toThrow(Corrupt);
    expect(() => deleteIndexTuples(page, [1, 2, 3])).toThrow(Corrupt);
  });
});
