import { Corrupt } from '@neon/kernel';
import fc from 'fast-check';
import { decodeSegment, encodeSegment, mergeTids, segmentSize } from './gin-posting-list';
import { setIndexTupleInfo } from './index-tuple';
import { ITEM_POINTER_SIZE, pointerBlock, pointerOffsetNumber, writeItemPointer } from './item-pointer';
import { formPosting, heapTids, isPostingTuple, postingCount, removeFromPosting, swapPosting } from './nbtree-posting';

const tids = fc
  .uniqueArray(fc.integer({ min: 1, max: 2 ** 43 - 1 }), { minLength: 1, maxLength: 200 })
  .map((values) => values.sort((a, b) => a - b));

describe('a GIN posting list', () => {
  test('holds its tuple ids, whatever the distances between them', () => {
    fc.assert(
      fc.property(tids, (values) => {
        const segment = encodeSegment(values);
        expect(decodeSegment(segment, 0, segment.length)).toEqual(values);
        expect(segmentSize(segment, 0, segment.length)).toBe(segment.length);
        expect(segment.length % 2).toBe(0);
      }),
    );
  });

  test('is the first tuple id in full, then differences in seven-bit bytes', () => {
    // (1,1), (1,2), (1,130): differences 1 and 128.
    const segment = encodeSegment([2048 + 1, 2048 + 2, 2048 + 130]);
    expect(Buffer.from(segment).toString('hex')).toBe('000001000100' + '0300' + '01' + '8001' + '00');
    expect(Buffer.from(encodeSegment([1, 128])).toString('hex')).toBe('000000000100' + '0100' + '7f' + '00');
  });

  test('merges with another, each tuple id once', () => {
    fc.assert(
      fc.property(tids, tids, (left, right) => {
        expect(mergeTids(left, right)).toEqual([...new Set([...left, ...right])].sort((a, b) => a - b));
      }),
    );
    expect(mergeTids([1, 3], [1])).toEqual([1, 3]);
    expect(mergeTids([1], [1, 3])).toEqual([1, 3]);
  });

  test('whose differences never end, or lead beyond all tuple ids, is refused at once', () => {
    const segment = new Uint8Array(8 + 2000).fill(0xff);
    segment.set([0, 0, 0, 0, 1, 0, 2000 & 0xff, 2000 >>> 8]);
    expect(() => decodeSegment(segment, 0, segment.length)).toThrow(Corrupt);
    segment.fill(0x7f, 8 + 6);
    expect(() => decodeSegment(segment, 0, segment.length)).toThrow(Corrupt);
    expect(() => encodeSegment([5, 5])).toThrow(Corrupt);
    expect(() => encodeSegment([5, 4])).toThrow(Corrupt);
  });

  test('that ends within a difference, or beyond its page, is refused', () => {
    const segment = encodeSegment([1, 1000]);
    segment[9] = 0x80;
    expect(() => decodeSegment(segment, 0, segment.length)).toThrow(Corrupt);
    expect(() => segmentSize(segment, 0, segment.length - 1)).toThrow(Corrupt);
    const eight = Uint8Array.of(0, 0, 0, 0, 1, 0, 8, 0, ...new Array<number>(7).fill(0x80), 0);
    expect(() => decodeSegment(eight, 0, eight.length)).toThrow(Corrupt);
  });
});

/** A leaf tuple of 16 bytes whose heap tid is (0, offset number). */
function plainTuple(offsetNumber: number): Uint8Array {
  const tuple = new Uint8Array(16).fill(7);
  writeItemPointer(tuple, 0, { block: 0, offsetNumber });
  setIndexTupleInfo(tuple, 0, 16);
  return tuple;
}

function tidBytes(offsetNumbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(offsetNumbers.length * ITEM_POINTER_SIZE);
  offsetNumbers.forEach((offsetNumber, index) =>
    writeItemPointer(bytes, index * ITEM_POINTER_SIZE, { block: 0, offsetNumber }),
  );
  return bytes;
}

const offsetNumbersOf = (tuple: Uint8Array): number[] => {
  const bytes = heapTids(tuple, 0);
  return Array.from({ length: bytes.length / ITEM_POINTER_SIZE }, (_, i) =>
    pointerOffsetNumber(bytes, i * ITEM_POINTER_SIZE),
  );
};

describe('a B-tree posting list tuple', () => {
  test('has the key, then the heap tids, and says where they begin and how many they are', () => {
    const posting = formPosting(plainTuple(1), 0, tidBytes([1, 2, 3]));
    expect(posting.length).toBe(40);
    expect(isPostingTuple(posting, 0)).toBe(true);
    expect(postingCount(posting, 0)).toBe(3);
    expect(pointerBlock(posting, 0)).toBe(16);
    expect(offsetNumbersOf(posting)).toEqual([1, 2, 3]);
  });

  test('becomes a plain tuple again when one heap tid is left', () => {
    const posting = formPosting(plainTuple(1), 0, tidBytes([1, 2, 3]));
    expect(removeFromPosting(posting, 0, [0, 2])).toEqual(plainTuple(2));
    expect(offsetNumbersOf(removeFromPosting(posting, 0, [1]))).toEqual([1, 3]);
  });

  test('refuses to lose all of its heap tids, or such as it does not have', () => {
    const posting = formPosting(plainTuple(1), 0, tidBytes([1, 2, 3]));
    expect(() => removeFromPosting(posting, 0, [0, 1, 2])).toThrow(Corrupt);
    expect(() => removeFromPosting(posting, 0, [3])).toThrow(Corrupt);
    expect(() => removeFromPosting(posting, 0, [3, 4, 5])).toThrow(Corrupt);
  });

  test('takes a tid in its middle and gives its last one to the tuple that brought it', () => {
    const posting = formPosting(plainTuple(1), 0, tidBytes([1, 3, 5, 9]));
    const swapped = swapPosting(posting, plainTuple(4), 2);
    expect(offsetNumbersOf(swapped.posting)).toEqual([1, 3, 4, 5]);
    expect(swapped.posting.length).toBe(posting.length);
    expect(swapped.added).toEqual(plainTuple(9));
    const far = formPosting(plainTuple(1), 0, tidBytes([1, 3, 0x105, 0x209]));
    expect(offsetNumbersOf(swapPosting(far, plainTuple(4), 2).posting)).toEqual([1, 3, 4, 0x105]);
    expect(() => swapPosting(posting, plainTuple(4), 0)).toThrow(Corrupt);
    expect(() => swapPosting(posting, plainTuple(4), 4)).toThrow(Corrupt);
  });

  test('and what it was given stay as they are when they are Buffers, whose slices are views', () => {
    const posting = Buffer.from(formPosting(plainTuple(1), 0, tidBytes([1, 3, 5, 9])));
    const added = Buffer.from(plainTuple(4));
    const before = [posting.toString('hex'), added.toString('hex')];
    const swapped = swapPosting(posting, added, 2);
    expect(offsetNumbersOf(swapped.posting)).toEqual([1, 3, 4, 5]);
    expect(swapped.added).toEqual(plainTuple(9));
    expect([posting.toString('hex'), added.toString('hex')]).toEqual(before);
  });
});
