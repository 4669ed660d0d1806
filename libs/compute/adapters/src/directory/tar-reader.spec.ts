import { readTar } from './tar-reader';
import { tar } from '../host/test-pageserver';

const FILES = [
  ['neon/manifest.json', Buffer.from('{}')],
  ['empty', Buffer.alloc(0)],
  ['exact', Buffer.alloc(1024, 7)],
] as const;

describe('a tar archive', () => {
  it('is its files, in order', () => {
    expect(readTar(tar(FILES)).map(({ path, content }) => [path, Buffer.from(content)])).toEqual(FILES);
    expect(readTar(tar([]))).toEqual([]);
  });

  it('that was cut off anywhere is refused (U1)', () => {
    const whole = tar(FILES);
    for (let size = 0; size < whole.length - 1024; size += 100)
      expect(() => readTar(whole.subarray(0, size))).toThrow(/basebackup/);
  });

  it('with a header that does not have its checksum is refused (U1)', () => {
    const broken = tar(FILES);
    broken.write('x', 0);
    expect(() => readTar(broken)).toThrow('bad tar header at 0');
  });

  it('with anything but files and directories is refused (U2)', () => {
    const link = tar([['a', Buffer.alloc(0)]]);
    link.write('2', 156);
    const sum = link.subarray(0, 512).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    link.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    expect(() => readTar(link)).toThrow('type "2"');
  });
});
