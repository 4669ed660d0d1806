import { encodeArena, segmentPath, segmentsOf } from './arena';

const TABLE = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384, fork: 0 };
const words = (table: Uint8Array, entry: number): number[] =>
  Array.from({ length: 8 }, (_, field) => new DataView(table.buffer).getUint32(64 + entry * 32 + field * 4, true));

describe('the arena', () => {
  test('a relation of 2.5 segments has three files, the last one shorter', () => {
    const entries = segmentsOf(TABLE, 131_072 * 2 + 65_536);
    expect(entries.map((entry) => [segmentPath(entry), entry.blockCount])).toEqual([
      ['base/5/16384', 131_072],
      ['base/5/16384.1', 131_072],
      ['base/5/16384.2', 65_536],
    ]);
  });

  test('an empty relation is one empty file', () => {
    expect(segmentsOf(TABLE, 0)).toEqual([{ ...TABLE, segment: 0, blockCount: 0 }]);
  });

  test('forks and the shared tablespace have their own names', () => {
    expect(segmentPath({ ...TABLE, fork: 2, segment: 1, blockCount: 1 })).toBe('base/5/16384_vm.1');
    expect(segmentPath({ ...TABLE, tablespaceOid: 1664, databaseOid: 0, fork: 1, segment: 0, blockCount: 1 })).toBe(
      'global/16384_fsm',
    );
    expect(() => segmentPath({ ...TABLE, tablespaceOid: 16400, segment: 0, blockCount: 1 })).toThrow(
      'tablespace 16400',
    );
  });

  test('entries are sorted by key, with the page words of each after those of the one before', () => {
    const { table, sizeBytes } = encodeArena([
      { ...TABLE, tablespaceOid: 1664, databaseOid: 0, segment: 0, blockCount: 7 },
      { ...TABLE, fork: 1, segment: 0, blockCount: 3 },
      { ...TABLE, segment: 0, blockCount: 10 },
      { ...TABLE, relationNumber: 16390, segment: 0, blockCount: 0 },
    ]);
    expect(words(table, 0)).toEqual([1663, 5, 16384, 0, 0, 10, 0, 0]);
    expect(words(table, 1)).toEqual([1663, 5, 16384, 1, 0, 3, 10, 0]);
    expect(words(table, 2)).toEqual([1664, 0, 16384, 0, 0, 7, 13, 0]);
    const header = new DataView(table.buffer);
    expect(new TextDecoder().decode(table.subarray(0, 8))).toBe('NEONPAGE');
    expect([header.getUint32(8, true), header.getUint32(12, true)]).toEqual([1, 3]);
    expect([header.getBigUint64(16, true), header.getBigUint64(24, true)]).toEqual([4096n, BigInt(sizeBytes)]);
    expect(sizeBytes).toBe(4096 + 20 * 4);
  });

  test('an arena refuses an entry named twice, and a segment that is too long', () => {
    const entry = { ...TABLE, segment: 0, blockCount: 1 };
    expect(() => encodeArena([entry, entry])).toThrow('base/5/16384 is named twice');
    expect(() => encodeArena([{ ...entry, blockCount: 131_073 }])).toThrow('131073 blocks in one segment');
  });
});
