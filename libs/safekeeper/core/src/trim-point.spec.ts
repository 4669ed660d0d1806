import { Corrupt, Lsn } from '@neon/kernel';
import { decodeTrimPoint, encodeTrimPoint } from './trim-point';

describe('a trim point', () => {
  const content = encodeTrimPoint(Lsn.parse('12/3000000'));

  test('decodes to what was encoded (TP1)', () => {
    expect(decodeTrimPoint(content)).toBe(Lsn.parse('12/3000000'));
  });

  test('with any byte changed, or cut, or longer, is corrupt (TP2)', () => {
    for (let at = 0; at < content.length; at++) {
      const damaged = content.slice();
      damaged[at]! ^= 0x40;
      expect(() => decodeTrimPoint(damaged)).toThrow(Corrupt);
      expect(() => decodeTrimPoint(content.subarray(0, at))).toThrow(Corrupt);
    }
    expect(() => decodeTrimPoint(Buffer.concat([content, Buffer.alloc(1)]))).toThrow(Corrupt);
  });
});
