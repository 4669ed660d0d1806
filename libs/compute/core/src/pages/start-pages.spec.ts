import { isFresh, pagesAhead } from './start-pages';

const relation = (relationNumber: number) => ({ tablespaceOid: 1663, databaseOid: 5, relationNumber, fork: 0 });
const placeholder = (relationNumber: number, segment: number, blockCount: number) => ({
  ...relation(relationNumber),
  segment,
  blockCount,
  path: `base/5/${relationNumber}`,
});

describe('pages ahead', () => {
  it('A1: are those read before, in that order', () => {
    const earlier = [
      { ...relation(2), firstBlock: 3, blockCount: 2 },
      { ...relation(1), firstBlock: 0, blockCount: 1 },
    ];
    expect(pagesAhead(earlier, [placeholder(1, 0, 10), placeholder(2, 0, 10)])).toEqual(earlier);
  });

  it('A1: end where the relation ends, across its segments, and leave out what is gone', () => {
    const earlier = [
      { ...relation(1), firstBlock: 131_070, blockCount: 8 },
      { ...relation(2), firstBlock: 10, blockCount: 1 },
      { ...relation(3), firstBlock: 0, blockCount: 1 },
    ];
    const placeholders = [placeholder(1, 0, 131_072), placeholder(1, 1, 2), placeholder(2, 0, 10)];
    expect(pagesAhead(earlier, placeholders)).toEqual([{ ...relation(1), firstBlock: 131_070, blockCount: 4 }]);
  });
});

it('a cluster is fresh until it has a database that initdb did not make', () => {
  expect(isFresh([placeholder(1, 0, 1)])).toBe(true);
  expect(isFresh([placeholder(1, 0, 1), { ...placeholder(1, 0, 1), databaseOid: 16_384 }])).toBe(false);
});
