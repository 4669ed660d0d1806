/** POSIX ustar archives: 512-byte headers, contents padded to 512 bytes, two blocks of zeros at the end. */
const BLOCK_SIZE = 512;
const FILE_MODE = 0o600;
const NAME_MAX = 100;
const encoder = new TextEncoder();

export function tarEntry(name: string, content: Uint8Array): Uint8Array[] {
  const padding = (BLOCK_SIZE - (content.length % BLOCK_SIZE)) % BLOCK_SIZE;
  return [header(name, content.length), content, new Uint8Array(padding)];
}

export const tarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK_SIZE);

function header(name: string, size: number): Uint8Array {
  if (encoder.encode(name).length > NAME_MAX) throw new RangeError(`name too long for a tar entry: ${name}`);
  const block = new Uint8Array(BLOCK_SIZE);
  const put = (at: number, text: string): void => block.set(encoder.encode(text), at);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  put(0, name);
  put(100, `${octal(FILE_MODE, 7)}\0`);
  put(108, `${octal(0, 7)}\0`);
  put(116, `${octal(0, 7)}\0`);
  put(124, `${octal(size, 11)}\0`);
  put(136, `${octal(0, 11)}\0`);
  put(148, ' '.repeat(8));
  put(156, '0');
  put(257, 'ustar\0');
  put(263, '00');
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\0 `);
  return block;
}
