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
  for (; at + 8 <= end; at += 8) crc = eightBytes(crc ^ wordAt(bytes, at), wordAt(bytes, at + 4), 0);
  if (at + 4 <= end) {
    crc = fourBytes(crc ^ wordAt(bytes, at));
    at += 4;
  }
  for (; at < end; at++) crc = (TABLES[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return crc;
}

/** Bytes with a view of them, which reads four at once: for who sums up many short ranges of the same bytes. */
export interface ViewedBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export const viewedBytes = (bytes: Uint8Array): ViewedBytes => ({
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
});

/** As `crc32cExtend`, a fifth faster on short ranges: slicing-by-16, then by 8, by 4, and byte by byte. */
export function crc32cExtendViewed(running: number, { bytes, view }: ViewedBytes, start: number, end: number): number {
  if (end - start >= WIDE_MIN) return crc32cExtend(running, bytes, start, end);
  let crc = running;
  let at = start;
  for (; at + 16 <= end; at += 16)
    crc =
      eightBytes(crc ^ view.getInt32(at, true), view.getInt32(at + 4, true), 2048) ^
      eightBytes(view.getInt32(at + 8, true), view.getInt32(at + 12, true), 0);
  if (at + 8 <= end) {
    crc = eightBytes(crc ^ view.getInt32(at, true), view.getInt32(at + 4, true), 0);
    at += 8;
  }
  if (at + 4 <= end) {
    crc = fourBytes(crc ^ view.getInt32(at, true));
    at += 4;
  }
  for (; at < end; at++) crc = (TABLES[(crc ^ view.getUint8(at)) & 0xff] as number) ^ (crc >>> 8);
  return crc;
}

/** Two words, with `further / 256` zero bytes behind them. */
const eightBytes = (low: number, high: number, further: number): number =>
  (TABLES[further + 1792 + (low & 0xff)] as number) ^
  (TABLES[further + 1536 + ((low >>> 8) & 0xff)] as number) ^
  (TABLES[further + 1280 + ((low >>> 16) & 0xff)] as number) ^
  (TABLES[further + 1024 + (low >>> 24)] as number) ^
  (TABLES[further + 768 + (high & 0xff)] as number) ^
  (TABLES[further + 512 + ((high >>> 8) & 0xff)] as number) ^
  (TABLES[further + 256 + ((high >>> 16) & 0xff)] as number) ^
  (TABLES[further + (high >>> 24)] as number);

export const crc32c = (bytes: Uint8Array, start = 0, end = bytes.length): number =>
  (crc32cExtend(0xffff_ffff, bytes, start, end) ^ 0xffff_ffff) >>> 0;
