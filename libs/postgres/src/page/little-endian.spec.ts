import { readF64, writeF64 } from './little-endian';

test('a double has eight bytes, which may be the last ones', () => {
  const bytes = new Uint8Array(12);
  writeF64(bytes, 4, -1.5);
  expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0xbf]);
  expect(readF64(bytes, 4)).toBe(-1.5);
});
