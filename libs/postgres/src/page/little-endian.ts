/**
 * Fixed-width little-endian values within a byte string, as Postgres lays them out on the machines we know.
 *
 * Redo reads and writes a handful of two- and four-byte fields per record, millions of records a second: plain byte
 * arithmetic here is inlined, where a DataView per page would be allocated. Callers stay within the bytes they were given:
 * `length` checks happen where sizes come from outside.
 */
export const readU16 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0;

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export const readF64 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at, 8).getFloat64(0, true);

export const writeF64 = (bytes: Uint8Array, at: number, value: number): void =>
  new DataView(bytes.buffer, bytes.byteOffset + at, 8).setFloat64(0, value, true);

/** Rounds up to the alignment of the widest type (MAXALIGN): 8. */
export const maxAlign = (size: number): number => (size + 7) & ~7;

/** Rounds up to the alignment of a short (SHORTALIGN): 2. */
export const shortAlign = (size: number): number => (size + 1) & ~1;
