/**
 * Postgres' own compression (pglz): a control byte announces eight items, each a literal byte or a reference back.
 *
 *   Z1  Whatever `source` holds, nothing outside `[target.start, target.end)` is written and the loop ends.
 */
export interface DecompressTarget {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const MATCH_LENGTH_MIN = 3;
const MATCH_LENGTH_EXTENDED = 18;

/** Whether `source` filled the target exactly, with nothing left over. */
export function decompressPglz(source: Uint8Array, { bytes, start, end }: DecompressTarget): boolean {
  let from = 0;
  let to = start;
  while (from < source.length && to < end) {
    let control = source[from++] as number;
    for (let item = 0; item < 8 && from < source.length && to < end; item++, control >>= 1) {
      if ((control & 1) === 0) {
        bytes[to++] = source[from++] as number;
        continue;
      }
      if (from + 2 > source.length) return false;
      const first = source[from] as number;
      const distance = ((first & 0xf0) << 4) | (source[from + 1] as number);
      let length = (first & 0x0f) + MATCH_LENGTH_MIN;
      from += 2;
      if (length === MATCH_LENGTH_EXTENDED) {
        if (from >= source.length) return false;
        length += source[from++] as number;
      }
      if (distance === 0 || distance > to - start) return false;
      // Byte by byte: a match may overlap what it produces.
      for (const stop = Math.min(to + length, end); to < stop; to++) bytes[to] = bytes[to - distance] as number;
    }
  }
  return to === end && from === source.length;
}
