import { Lsn } from '@neon/kernel';
import fc from 'fast-check';
import { encodeRecord, type ImageDraft } from './encoder';
import { restoreImage, type ImageCodecs } from './image';
import { decompressLz4 } from './lz4';
import { parseRecord } from './parse-record';
import { decompressPglz } from './pglz';
import type { PostgresMajor } from './record';

const PAGE = 8192;
const relation = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };

function restore(
  image: Omit<ImageDraft, 'apply'>,
  { major = 17 as PostgresMajor, ...codecs }: ImageCodecs & { major?: PostgresMajor } = {},
) {
  const bytes = encodeRecord(
    { rmid: 0, info: 0xb0, blocks: [{ id: 0, relation, block: 1, image: { ...image, apply: true } }] },
    { major, prevLsn: Lsn.of(8) },
  );
  const record = parseRecord(bytes, { major, lsn: Lsn.of(160), endLsn: Lsn.of(320) });
  return restoreImage(record, record.blocks[0]!, { ...codecs, into: new Uint8Array(PAGE).fill(0xee) });
}

/** A page whose middle is a hole, and the bytes besides it. */
const pageWithHole = fc
  .tuple(fc.integer({ min: 24, max: 4000 }), fc.integer({ min: 1, max: 4000 }), fc.nat(255))
  .map(([holeOffset, holeLength, byte]) => {
    const page = new Uint8Array(PAGE).map((_, i) => (i * 7 + byte) & 0xff);
    page.fill(0, holeOffset, holeOffset + holeLength);
    const kept = Buffer.concat([page.subarray(0, holeOffset), page.subarray(holeOffset + holeLength)]);
    return { page, kept, holeOffset, holeLength };
  });

/** Literals only: eight a control byte. */
function pglzOf(content: Uint8Array): Uint8Array {
  const parts: number[] = [];
  content.forEach((byte, i) => parts.push(...(i % 8 === 0 ? [0, byte] : [byte])));
  return Uint8Array.from(parts);
}

/** One run of literals. */
function lz4Of(content: Uint8Array): Uint8Array {
  const extra = content.length - 15;
  const lengths = [...Array<number>(Math.floor(extra / 255)).fill(255), extra % 255];
  return Uint8Array.from([0xf0, ...lengths, ...content]);
}

describe('restoreImage', () => {
  it('I1: fills the hole with zeros, over whatever was there', () => {
    fc.assert(
      fc.property(pageWithHole, ({ page, kept, holeOffset, holeLength }) => {
        const restored = restore({ bytes: kept, holeOffset, holeLength, compression: 'none' });
        expect(Buffer.compare(restored, page)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('I1: decompresses by an injected zstd, the hole left out', () => {
    fc.assert(
      fc.property(pageWithHole, ({ page, kept, holeOffset, holeLength }) => {
        const image = { bytes: Uint8Array.of(1), holeOffset, holeLength, compression: 'zstd' as const };
        expect(Buffer.compare(restore(image, { zstd: () => kept }), page)).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it('I1: decompresses lz4, the hole left out', () => {
    fc.assert(
      fc.property(pageWithHole, ({ page, kept, holeOffset, holeLength }) => {
        // Literals take more room than they are; Postgres keeps no image that compression made larger.
        fc.pre(holeLength > 100);
        const image = { bytes: lz4Of(kept), holeOffset, holeLength, compression: 'lz4' as const };
        expect(Buffer.compare(restore(image), page)).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it('Postgres 14 calls pglz what later majors call to be applied', () => {
    const kept = Buffer.alloc(600, 5);
    const image = { bytes: pglzOf(kept), holeOffset: 100, holeLength: PAGE - 600, compression: 'pglz' as const };
    for (const major of [14, 15, 17] as const) {
      const page = restore(image, { major });
      expect([page[99], page[100], page[PAGE - 501], page[PAGE - 500], page[PAGE - 1]]).toEqual([5, 0, 0, 5, 5]);
    }
  });

  it('refuses a broken image and one without a decoder', () => {
    const image = { bytes: new Uint8Array(50), holeOffset: 0, holeLength: 0 };
    expect(() => restore({ ...image, compression: 'pglz' })).toThrow(expect.objectContaining({ reason: 'image' }));
    expect(() => restore({ ...image, compression: 'lz4' })).toThrow(expect.objectContaining({ reason: 'image' }));
    expect(() => restore({ ...image, compression: 'zstd' })).toThrow(
      expect.objectContaining({ reason: 'image-compression' }),
    );
  });
});

describe.each([
  ['pglz', decompressPglz, pglzOf],
  ['lz4', decompressLz4, lz4Of],
] as const)('%s', (_name, decompress, compress) => {
  it('gives literals back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 900 }), (content) => {
        const bytes = new Uint8Array(content.length);
        expect(decompress(compress(content), { bytes, start: 0, end: content.length })).toBe(true);
        expect(bytes).toEqual(content);
      }),
    );
  });

  it('Z1, Z2: whatever the source, it ends, and writes inside its target alone', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (source) => {
        const bytes = new Uint8Array(300).fill(0x77);
        decompress(source, { bytes, start: 100, end: 200 });
        expect(bytes.subarray(0, 100).every((byte) => byte === 0x77)).toBe(true);
        expect(bytes.subarray(200).every((byte) => byte === 0x77)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('matches that overlap what they produce', () => {
  const expected = Buffer.from('abababababab');

  it('pglz repeats the last bytes', () => {
    // Two literals, then length 10 at distance 2.
    const source = Uint8Array.of(0b100, 0x61, 0x62, 0x07, 0x02);
    const bytes = new Uint8Array(12);
    expect(decompressPglz(source, { bytes, start: 0, end: 12 })).toBe(true);
    expect(Buffer.compare(bytes, expected)).toBe(0);
    expect(decompressPglz(source, { bytes, start: 0, end: 11 })).toBe(true);
    expect(decompressPglz(source, { bytes: new Uint8Array(13), start: 0, end: 13 })).toBe(false);
  });

  it('lz4 repeats the last bytes, and ends with literals', () => {
    // Two literals and a match of 9 at distance 2, then one literal.
    const source = Uint8Array.of(0x25, 0x61, 0x62, 0x02, 0x00, 0x10, 0x62);
    const bytes = new Uint8Array(12);
    expect(decompressLz4(source, { bytes, start: 0, end: 12 })).toBe(true);
    expect(Buffer.compare(bytes, expected)).toBe(0);
  });
});
