import { ByteWriter, Corrupt, Lsn, Term, crc32c } from '@neon/kernel';
import { decodeTrimPoint, encodeTrimPoint } from './trim-point';

describe('a trim point', () => {
  const trimmedLsn = Lsn.parse('12/3000000');
  const offloaded = { endLsn: Lsn.parse('12/3000428'), term: Term.of(7) };

  test.each([null, offloaded])('decodes to what was encoded (TP1)', (point) => {
    expect(decodeTrimPoint(encodeTrimPoint({ trimmedLsn, offloaded: point }))).toEqual({
      trimmedLsn,
      offloaded: point,
    });
  });

  test('of version 1 knows no offloaded timelines (TP3)', () => {
    const content = new ByteWriter(14).u32(0x4e534b54).u16(1).u64(trimmedLsn).finish();
    const file = new ByteWriter(18).bytes(content).u32(crc32c(content)).finish();
    expect(decodeTrimPoint(file)).toEqual({ trimmedLsn, offloaded: null });
  });

  test.each([null, offloaded])('with any byte changed, or cut, or longer, is corrupt (TP2)', (point) => {
    const content = encodeTrimPoint({ trimmedLsn, offloaded: point });
    for (let at = 0; at < content.length; at++) {
      const damaged = content.slice();
      damaged[at]! ^= 0x40;
      expect(() => decodeTrimPoint(damaged)).toThrow(Corrupt);
      expect(() => decodeTrimPoint(content.subarray(0, at))).toThrow(Corrupt);
    }
    expect(() => decodeTrimPoint(Buffer.concat([content, Buffer.alloc(1)]))).toThrow(Corrupt);
  });
});
