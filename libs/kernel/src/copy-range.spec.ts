import fc from 'fast-check';
import { type UnwrittenBytes, bytesOf, copyRange, writeBytes } from './index';

const numbered = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i * 7 + 1) & 0xff);

describe('copyRange', () => {
  it('copies what set would, and nothing beside it, whatever the size and the position of either', () => {
    const bytes = numbered(2000).subarray(3);
    fc.assert(
      fc.property(fc.nat(700), fc.nat(40), fc.nat(40), (size, offset, at) => {
        const expected = new Uint8Array(800).fill(0xee);
        const target = new Uint8Array(810).subarray(5, 805).fill(0xee);
        expected.set(bytes.subarray(offset, offset + size), at);
        copyRange({ bytes, offset, size }, target, at);
        expect(Buffer.compare(target, expected)).toBe(0);
      }),
    );
  });

  it('copies between whichever strings it is given in turn', () => {
    const sources = [numbered(100), numbered(100).reverse()];
    const targets = [new Uint8Array(100), new Uint8Array(100), new Uint8Array(100)];
    for (const target of targets)
      for (const [i, bytes] of sources.entries()) copyRange({ bytes, offset: i * 50, size: 50 }, target, i * 50);
    const expected = [...numbered(50), ...numbered(50).reverse()];
    for (const target of targets) expect([...target]).toEqual(expected);
  });

  it.each([
    ['reaches beyond its bytes', { offset: 60, size: 41, at: 0 }],
    ['does not fit the target', { offset: 0, size: 20, at: 81 }],
  ])('copies nothing of a range that %s', (_, { offset, size, at }) => {
    const target = new Uint8Array(100);
    expect(() => copyRange({ bytes: numbered(100), offset, size }, target, at)).toThrow(RangeError);
    expect(target.every((byte) => byte === 0)).toBe(true);
  });
});

describe('unwritten bytes', () => {
  const unwritten: UnwrittenBytes = {
    length: 2,
    writeTo(target, at) {
      target.set([8, 9], at);
    },
  };

  it.each([
    ['to be written', unwritten],
    ['of an array', Uint8Array.of(8, 9)],
  ])('bytes %s are written to where they are kept, or read from an array', (_, bytes) => {
    const target = new Uint8Array(5);
    writeBytes(bytes, target, 2);
    expect([...target]).toEqual([0, 0, 8, 9, 0]);
    expect([...bytesOf(bytes)]).toEqual([8, 9]);
  });
});
