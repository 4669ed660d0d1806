import fc from 'fast-check';
import {
  ByteReadError,
  ByteReader,
  ByteWriter,
  FrameDecoder,
  Lsn,
  TimelineId,
  copyOf,
  crc32c,
  crc32cExtendViewed,
  encodeFrame,
  viewedBytes,
} from './index';

describe('Lsn', () => {
  it('L2: formats as Postgres does and reads its own text back', () => {
    expect(Lsn.format(Lsn.of(0x16b3748))).toBe('0/16B3748');
    fc.assert(fc.property(fc.maxSafeNat(), (value) => Lsn.parse(Lsn.format(Lsn.of(value))) === value));
  });

  it('L1: refuses what is not a whole number below 2^53', () => {
    for (const value of [-1, 1.5, 2 ** 53, NaN]) expect(() => Lsn.of(value)).toThrow(RangeError);
    expect(() => Lsn.fromBigInt(1n << 53n)).toThrow(RangeError);
    for (const text of ['', '0', '0/', '/0', '0/123456789', 'x/y', '0/1 '])
      expect(() => Lsn.parse(text)).toThrow(SyntaxError);
  });
});

describe('ids', () => {
  it('an id survives the way to bytes and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(TimelineId.toBytes(TimelineId.fromBytes(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe('copyOf', () => {
  it('shares no memory with what it copies, also when that is a Buffer, whose slices do', () => {
    const original = Buffer.from([1, 2, 3]).subarray(1);
    const copy = copyOf(original);
    copy[0] = 9;
    expect(original).toEqual(Buffer.from([2, 3]));
    expect(Buffer.isBuffer(copy)).toBe(false);
  });
});

describe('crc32c', () => {
  it('gives the published check value and does not depend on alignment', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    const padded = new TextEncoder().encode('xxx123456789yy');
    expect(crc32c(padded, 3, 12)).toBe(0xe3069283);
  });

  test('sums of any length and position equal those of the definition', () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 2_654_435_761) >>> 13);
    const byDefinition = (from: number, to: number): number => {
      let crc = 0xffff_ffff;
      for (const byte of bytes.subarray(from, to)) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
      }
      return (crc ^ 0xffff_ffff) >>> 0;
    };
    const viewed = viewedBytes(bytes.subarray(0, 1_000));
    for (let length = 0; length < 400; length++)
      for (const from of [0, 1, 7]) {
        const sum = byDefinition(from, from + length);
        expect(crc32c(bytes, from, from + length)).toBe(sum);
        expect((crc32cExtendViewed(0xffff_ffff, viewed, from, from + length) ^ 0xffff_ffff) >>> 0).toBe(sum);
      }
    for (const [from, to] of [
      [0, 49_152],
      [3, 49_156],
      [5, 70_000],
    ] as const)
      expect(crc32c(bytes, from, to)).toBe(byDefinition(from, to));
  });
});

describe('frames', () => {
  it('F1: however a stream is cut, the same frames come out', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 }))),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (sent, cuts) => {
          const stream = Buffer.concat(sent.map(([tag, payload]) => encodeFrame(tag, payload)));
          const decoder = new FrameDecoder(64);
          const received: [number, number[]][] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const step = cuts[i % cuts.length] ?? 1;
            for (const frame of decoder.push(stream.subarray(at, at + step)))
              received.push([frame.tag, [...frame.payload]]);
            at += step;
          }
          expect(received).toEqual(sent.map(([tag, payload]) => [tag, [...payload]]));
        },
      ),
    );
  });

  it('F2: refuses an empty frame and one above the limit, after the frames before it', () => {
    for (const size of [0, 11]) {
      const refused = [...encodeFrame(7, Uint8Array.of(1)), 0, 0, 0, size];
      const received: number[] = [];
      const receive = (): void => {
        for (const { tag } of new FrameDecoder(10).push(Uint8Array.from(refused))) received.push(tag);
      };
      expect(receive).toThrow(ByteReadError);
      expect(received).toEqual([7]);
    }
  });

  it('F3: a long frame that comes byte by byte costs no more than four times what has come', () => {
    const decoder = new FrameDecoder(2 ** 24);
    const memory = () => (Reflect.get(decoder, 'room') as Uint8Array).length;
    expect([...decoder.push(Uint8Array.of(1, 0, 0, 0, 7))]).toEqual([]);
    for (let received = 6; received < 1_000; received++) {
      expect([...decoder.push(Uint8Array.of(received))]).toEqual([]);
      expect(memory()).toBeLessThanOrEqual(4 * received);
    }
  });
});

describe('bytes', () => {
  it('B1: a read past the end throws and B2: what was written is what is read', () => {
    const bytes = new ByteWriter(1).u8(1).u16(2).u32(3).u64(4n).text('é').finish();
    const reader = new ByteReader(bytes);
    expect([reader.u8(), reader.u16(), reader.u32(), reader.safeU64(), reader.text()]).toEqual([1, 2, 3, 4, 'é']);
    expect(() => reader.u8()).toThrow(ByteReadError);
    expect(() => new ByteReader(Uint8Array.of(0, 0, 0, 9, 65)).text()).toThrow(ByteReadError);
  });
});
