import { isTruncatedSegment } from './slru-truncation';

it('U1: an SLRU segment goes only when all of it lies before the first page kept, also across wraparound', () => {
  expect(isTruncatedSegment('xact', 0, { firstPage: 32 })).toBe(true);
  expect(isTruncatedSegment('xact', 0, { firstPage: 31 })).toBe(false);
  expect(isTruncatedSegment('xact', 2 ** 12 - 1, { firstPage: 5 })).toBe(true);
  expect(isTruncatedSegment('xact', 1, { firstPage: 5 })).toBe(false);
});

it('U2: members that are gone may span more than half of the ring, and wrap around it', () => {
  const gone = (segment: number, fromPage: number, firstPage: number) =>
    isTruncatedSegment('multixact-members', segment, { fromPage, firstPage });
  const last = Math.floor(Math.floor(0xffff_ffff / 1636) / 32);
  const most = { fromPage: 0, firstPage: (last - 10) * 32 };
  expect([0, 1000, last - 11].map((segment) => gone(segment, most.fromPage, most.firstPage))).toEqual([
    true,
    true,
    true,
  ]);
  expect([last - 10, last].map((segment) => gone(segment, most.fromPage, most.firstPage))).toEqual([false, false]);
  const around = { fromPage: (last - 1) * 32 + 5, firstPage: 70 };
  expect([last - 1, last, 0, 1].map((segment) => gone(segment, around.fromPage, around.firstPage))).not.toContain(
    false,
  );
  expect([2, 3, last - 2].map((segment) => gone(segment, around.fromPage, around.firstPage))).not.toContain(true);
  expect(gone(7, 7 * 32, 7 * 32 + 9)).toBe(false);
});
