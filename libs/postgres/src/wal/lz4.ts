/**
 * LZ4 blocks: tokens of a literal run and a match, run lengths extended by bytes of 255.
 *
 *   Z2  Whatever `source` holds, nothing outside `[target.start, target.end)` is written and the loop ends.
 */
import type { DecompressTarget } from './pglz';

const MATCH_LENGTH_MIN = 4;
const EXTENDED = 15;

/** Whether `source` filled the target exactly, with nothing left over. */
export function decompressLz4(source: Uint8Array, { bytes, start, end }: DecompressTarget): boolean {
  let from = 0;
  let to = start;

  const extend = (length: number): number => {
    if (length < EXTENDED) return length;
    let total = length;
    for (;;) {
      if (from >= source.length) return Infinity;
      const more = source[from++] as number;
      total += more;
      if (more !== 255) return total;
    }
  };

  while (from < source.length) {
    const token = source[from++] as number;
    const literals = extend(token >>> 4);
    if (from + literals > source.length || to + literals > end) return false;
    bytes.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence is literals alone.
    if (from === source.length) return to === end;
    if (from + 2 > source.length) return false;
    const distance = (source[from] as number) | ((source[from + 1] as number) << 8);
    from += 2;
    const stop = to + extend(token & 0x0f) + MATCH_LENGTH_MIN;
    if (distance === 0 || distance > to - start || stop > end) return false;
    for (; to < stop; to++) bytes[to] = bytes[to - distance] as number;
  }
  return false;
}
