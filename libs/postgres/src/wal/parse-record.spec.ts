/** What DecodeXLogRecord checks, rule by rule, in the words of its errors where it has some. */
import { Lsn } from '@neon/kernel';
import { POSTGRES_MAJORS, versionOf } from '../versions';
import { BlockFlag, IMAGE_HAS_HOLE, PartId, RECORD_HEADER_SIZE } from './layout';
import { parsePlacedRecord, parseRecord } from './parse-record';
import { recordBytes, type PostgresMajor, type WalRecord } from './record';
import { WalError } from './wal-error';

const LSN = Lsn.of(0x100_0028);
const RELATION = [...u32(1663), ...u32(5), ...u32(16384)];

function u16(value: number): number[] {
  return [value & 0xff, value >>> 8];
}
function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(value >>> 16)];
}

/** A record with these bytes behind its header. */
function parse(rest: readonly number[], major: PostgresMajor = 17): WalRecord {
  const bytes = Uint8Array.from([...new Uint8Array(RECORD_HEADER_SIZE), ...rest]);
  bytes.set(u32(bytes.length));
  return parseRecord(bytes, { major, lsn: LSN, endLsn: Lsn.of(LSN + 8 * Math.ceil(bytes.length / 8)) });
}
/** The same record among others, of `neighbour` bytes. */
function parseAmong(neighbour: number, rest: readonly number[], major: PostgresMajor = 17): WalRecord {
  const size = RECORD_HEADER_SIZE + rest.length;
  const bytes = new Uint8Array(size + 2 * MARGIN).fill(neighbour);
  bytes.set([...u32(size), ...new Uint8Array(RECORD_HEADER_SIZE - 4), ...rest], MARGIN);
  return parsePlacedRecord(bytes, { offset: MARGIN, size }, { major, lsn: LSN, endLsn: LSN });
}
const MARGIN = 100;
const refused = (rest: readonly number[], major?: PostgresMajor): void => {
  const reason = expect.objectContaining({ reason: 'record-content', lsn: LSN }) as Error;
  expect(() => parse(rest, major)).toThrow(reason);
  for (const neighbour of [0, 1, 0xff]) expect(() => parseAmong(neighbour, rest, major)).toThrow(reason);
};

/** A block header: id, flags, length of data, and whatever its flags call for. */
const block = (id: number, flags: number, dataLength: number, ...rest: readonly (readonly number[])[]): number[] => [
  ...[id, flags],
  ...u16(dataLength),
  ...rest.flat(),
];
const { HAS_DATA, HAS_IMAGE, SAME_RELATION, WILL_INIT } = BlockFlag;
const plain = (id: number): number[] => block(id, 0, 0, RELATION, u32(7));
const bytes = (count: number): number[] => new Array<number>(count).fill(9);

describe('parts of a record', () => {
  it('may be none at all, or data of no length', () => {
    expect(parse([])).toMatchObject({ blocks: [], mainLength: 0 });
    expect(parse([PartId.DATA_SHORT, 0])).toMatchObject({ mainLength: 0, mainOffset: 26 });
    expect(parse([PartId.DATA_LONG, ...u32(0)])).toMatchObject({ mainLength: 0, mainOffset: 29 });
  });

  it('end with the main data: behind it there are no more headers', () => {
    refused([PartId.DATA_SHORT, 1, ...bytes(1), ...plain(0)]);
    refused([PartId.DATA_SHORT, 0, PartId.DATA_SHORT, 0]);
  });

  it.each([33, 100, 251])('have no part %i', (id) => refused([id, 0, 0, 0, 0]));

  it('carry an origin and a top-level transaction once, or more often', () => {
    const record = parse([PartId.ORIGIN, ...u16(3), PartId.ORIGIN, ...u16(4), PartId.TOP_LEVEL_XID, ...u32(900)]);
    expect(record).toMatchObject({ originId: 4, topLevelXid: 900 });
  });

  it.each([
    ['an origin', [PartId.ORIGIN, 1]],
    ['a top-level transaction', [PartId.TOP_LEVEL_XID, 1, 2, 3]],
    ['the length of short data', [PartId.DATA_SHORT]],
    ['the length of long data', [PartId.DATA_LONG, 1, 0, 0]],
    ['a block header', [0, 0, 0]],
    ['a relation', block(0, 0, 0, RELATION.slice(0, 11))],
    ['a block number', block(0, 0, 0, RELATION, [1, 2, 3])],
    ['an image header', block(0, HAS_IMAGE, 0, u16(8192), u16(0))],
    ['the length of a hole', block(0, HAS_IMAGE, 0, u16(40), u16(40), [IMAGE_HAS_HOLE | 0x04], [1])],
  ])('are not cut within %s', (_name, rest) => refused(rest));

  it('announce as much data as there is', () => {
    for (const announced of [4, 6, 255]) refused([PartId.DATA_SHORT, announced, ...bytes(5)]);
    for (const announced of [4, 6, 0xffff_fffb, 0xffff_ffff])
      refused([PartId.DATA_LONG, ...u32(announced), ...bytes(5)]);
    refused([...block(0, HAS_DATA, 9, RELATION, u32(7)), ...bytes(8)]);
    refused([...block(0, HAS_DATA, 8, RELATION, u32(7)), ...bytes(9)]);
  });
});

describe('blocks of a record', () => {
  it('come in the order of their ids, which may have gaps', () => {
    expect(parse([...plain(0), ...plain(3), ...plain(32)]).blocks.map(({ id }) => id)).toEqual([0, 3, 32]);
    refused([...plain(1), ...plain(1)]);
    refused([...plain(2), ...plain(1)]);
  });

  it('are said to have data exactly when they have some', () => {
    refused(block(0, HAS_DATA, 0, RELATION, u32(7)));
    refused([...block(0, 0, 4, RELATION, u32(7)), ...bytes(4)]);
  });

  it('are of the relation before only when there is one', () => {
    refused(block(0, SAME_RELATION, 0, u32(7)));
    const { blocks } = parse([...plain(0), ...block(1, SAME_RELATION | WILL_INIT, 0, u32(8))]);
    expect(blocks[1]).toMatchObject({ relation: blocks[0]!.relation, block: 8, willInit: true });
  });

  it('are of one of four forks', () => {
    expect(parse(block(0, 3, 0, RELATION, u32(7))).blocks[0]?.fork).toBe(3);
    for (const fork of [4, 15]) refused(block(0, fork, 0, RELATION, u32(7)));
  });
});

describe.each(POSTGRES_MAJORS)('the image of a block of Postgres %i', (major) => {
  const { apply, pglz, lz4, zstd } = versionOf(major).imageFlags;
  const image = (length: number, holeOffset: number, flags: number, holeLength?: number): number[] => [
    ...block(0, HAS_IMAGE, 0, u16(length), u16(holeOffset), [flags]),
    ...(holeLength === undefined ? [] : u16(holeLength)),
    ...RELATION,
    ...u32(7),
    ...bytes(length),
  ];
  const parsed = (...args: Parameters<typeof image>) => parse(image(...args), major).blocks[0]?.image;

  it('is a whole page, or one with a hole in it', () => {
    expect(parsed(8192, 0, apply)).toMatchObject({ holeLength: 0, compression: 'none', apply: true });
    expect(parsed(8000, 24, IMAGE_HAS_HOLE)).toMatchObject({ holeOffset: 24, holeLength: 192, apply: false });
    expect(parsed(8000, 8000, IMAGE_HAS_HOLE)).toMatchObject({ holeOffset: 8000, holeLength: 192 });
  });

  it('with a hole has an offset and a length for it', () => {
    refused(image(8000, 0, IMAGE_HAS_HOLE), major);
    refused(image(8192, 24, IMAGE_HAS_HOLE), major);
    refused(image(40, 24, IMAGE_HAS_HOLE | pglz, 0), major);
  });

  it('without one has neither', () => {
    refused(image(8192, 24, 0), major);
    refused(image(8191, 0, 0), major);
    refused(image(8193, 0, 0), major);
    refused(image(40, 24, pglz), major);
  });

  it('does not reach beyond its page', () => {
    refused(image(8000, 8001, IMAGE_HAS_HOLE), major);
    refused(image(40, 8000, IMAGE_HAS_HOLE | pglz, 193), major);
    expect(parsed(40, 8000, IMAGE_HAS_HOLE | pglz, 192)).toMatchObject({ holeOffset: 8000, holeLength: 192 });
  });

  it('is smaller than a page when it is compressed', () => {
    expect(parsed(8191, 0, pglz)).toMatchObject({ compression: 'pglz', holeLength: 0 });
    refused(image(8192, 0, pglz), major);
  });

  it('is compressed by what its flags say, and in 14 by pglz alone', () => {
    expect(parsed(40, 100, IMAGE_HAS_HOLE | pglz | apply, 50)).toMatchObject({ compression: 'pglz', apply: true });
    if (major === 14) {
      // Where later majors have LZ4 and zstd, 14 has nothing and does not look.
      expect(parsed(8192, 0, 0x18)).toMatchObject({ compression: 'none' });
      return;
    }
    expect(parsed(40, 100, IMAGE_HAS_HOLE | lz4, 50)?.compression).toBe('lz4');
    expect(parsed(40, 100, IMAGE_HAS_HOLE | zstd, 50)?.compression).toBe('zstd');
    expect(parsed(40, 0, pglz | lz4 | zstd)?.compression).toBe('pglz');
  });
});

describe('a record among others', () => {
  it('R1: is the same, at another place', () => {
    const rest = [...block(3, HAS_DATA, 5, RELATION, u32(7)), PartId.DATA_SHORT, 4, ...bytes(5), ...[1, 2, 3, 4]];
    const alone = parse(rest);
    const placed = parseAmong(0xff, rest);
    expect(recordBytes(placed)).toEqual(recordBytes(alone));
    expect(placed).toMatchObject({
      offset: MARGIN,
      size: alone.size,
      mainOffset: MARGIN + alone.mainOffset,
      mainLength: 4,
    });
    const [own, other] = [alone.blocks[0], placed.blocks[0]];
    expect(other).toEqual({ ...own, dataOffset: MARGIN + (own?.dataOffset ?? 0) });
  });
});

describe('the size of a record', () => {
  it('is what its header says', () => {
    const position = { major: 17, lsn: LSN, endLsn: Lsn.of(LSN + 24) } as const;
    for (const size of [0, 23, 25, 0xffff_ffff]) {
      const record = Uint8Array.from([...u32(size), ...new Uint8Array(20)]);
      expect(() => parseRecord(record, position)).toThrow(expect.objectContaining({ reason: 'record-length' }));
    }
    expect(() => parseRecord(new Uint8Array(0), position)).toThrow(WalError);
  });
});
