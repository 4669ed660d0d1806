import { initHashMeta, hashMaxBucket } from './hash-page';
import { readU32 } from './little-endian';
import { PAGE_SIZE, initPage } from './page-header';
import {
  HEAP_BLOCKS_PER_MAP_BLOCK,
  clearVisibilityBits,
  setVisibilityBits,
  visibilityBits,
  visibilityMapBlock,
} from './visibility-map';

describe('the visibility map', () => {
  test('keeps two bits for each of 32672 heap blocks a page', () => {
    expect(HEAP_BLOCKS_PER_MAP_BLOCK).toBe(32672);
    expect([0, 32671, 32672].map(visibilityMapBlock)).toEqual([0, 0, 1]);
  });

  test('changes the bits of one block only', () => {
    const map = new Uint8Array(PAGE_SIZE);
    initPage(map);
    setVisibilityBits(map, 5, 3);
    setVisibilityBits(map, 6, 1);
    expect(map[25]).toBe(0b0001_1100);
    expect(clearVisibilityBits(map, 5, 2)).toBe(true);
    expect(clearVisibilityBits(map, 5, 2)).toBe(false);
    expect([4, 5, 6, 7].map((block) => visibilityBits(map, block))).toEqual([0, 1, 1, 0]);
    setVisibilityBits(map, 32671, 3);
    expect(map[PAGE_SIZE - 1]).toBe(0b1100_0000);
  });
});

describe('a hash index’s metapage', () => {
  // Bucket counts that _hash_init_metabuffer arrives at, by tuples and fill factor.
  test.each([
    [0, 75, 2],
    [1000, 10, 128],
    [10_000, 10, 1024],
    [12_000, 10, 1280],
    [1_000_000, 307, 3584],
    [3, 1, 4],
    [1281, 1, 1536],
    [2 ** 31, 1, 2 ** 30],
  ])('for %d tuples at fill factor %d has %d buckets', (tupleCount, fillFactor, bucketCount) => {
    const page = new Uint8Array(PAGE_SIZE);
    initHashMeta(page, { tupleCount, fillFactor, procedureOid: 1 });
    expect(hashMaxBucket(page) + 1).toBe(bucketCount);
    const [highMask, lowMask] = [readU32(page, 52), readU32(page, 56)];
    expect(highMask & (highMask + 1)).toBe(0);
    expect(lowMask).toBe(highMask >>> 1);
    expect(bucketCount - 1).toBeLessThanOrEqual(highMask);
  });
});
