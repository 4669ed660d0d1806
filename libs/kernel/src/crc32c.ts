/** CRC-32C (Castagnoli), as Postgres computes it (pg_crc32c.h): `crc32c('123456789') === 0xe3069283`. */
import { wideExtend } from './crc32c-wide';

const POLYNOMIAL = 0x82f63b78;
const SLICES = 16;
/** From this size on, copying the bytes into another memory pays. */
const WIDE_MIN = 96;

/** Slicing tables: TABLES[k * 256 + b] advances byte b by k further zero bytes. */
const TABLES = (() => {
  const tables = new Uint32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    tables[byte] = value;
  }
  for (let i = 256; i < SLICES * 256; i++) {
    const previous = tables[i - 256] as number;
    tables[i] = (previous >>> 8) ^ (tables[previous & 0xff] as number);
  }
  return tables;
})();

const extendWide = wideExtend(TABLES);

/** Continues a running (already inverted) checksum over `bytes[start, end)`. Start with 0xffffffff, finish with `^ 0xffffffff`. */
export function crc32cExtend(running: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  const size = end - start;
  if (size < WIDE_MIN) return extendNarrow(running, bytes, start, end);
  return extendNarrow(extendWide(running, bytes, start, end), bytes, end - (size % SLICES), end);
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24);

const fourBytes = (word: number): number =>
  (TABLES[768 + (word & 0xff)] as number) ^
  (TABLES[512 + ((word >>> 8) & 0xff)] as number) ^
  (TABLES[256 + ((word >>> 16) & 0xff)] as number) ^
  (TABLES[word >>> 24] as number);

/** Slicing-by-8, then by 4: what is left byte by byte is at most three, each of which waits for the one before. */
function extendNarrow(running: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = running;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ wordAt(bytes, at);
    crc =
      (TABLES[1792 + (low & 0xff)] as number) ^
      (TABLES[1536 + ((low >>> 8) & 0xff)] as number) ^
      (TABLES[1280 + ((low >>> 16) & 0xff)] as number) ^
      (TABLES[1024 + (low >>> 24)] as number) ^
      (TABLES[768 + (bytes[at + 4] as number)] as number) ^
      (TABLES[512 + (bytes[at + 5] as number)] as number) ^
      (TABLES[256 + (bytes[at + 6] as number)] as number) ^
      (TABLES[bytes[at + 7] as number] as number);
  }
  if (at + 4 <= end) {
    crc = fourBytes(crc ^ wordAt(bytes, at));
    at += 4;
  }
  for (; at < end; at++) crc = (TABLES[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return crc;
}

export const crc32c = (bytes: Uint8Array, start = 0, end = bytes.length): number =>
  (crc32cExtend(0xffff_ffff, bytes, start, end) ^ 0xffff_ffff) >>> 0;
