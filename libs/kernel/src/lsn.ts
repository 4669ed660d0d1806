/**
 * A log sequence number: a byte position in a timeline's WAL, and the only clock of storage.
 *
 *   L1  An LSN is a whole number in [0, 2^53): 8 PiB of WAL per timeline. Anything beyond is refused, never rounded.
 *   L2  The text form is Postgres' own (`%X/%X`, pg_lsn.c); JSON carries that text, wires carry an unsigned 64-bit integer.
 *
 * @example Lsn.format(Lsn.parse('0/16B3748')) // '0/16B3748'
 */
declare const brand: unique symbol;
export type Lsn = number & { readonly [brand]: 'Lsn' };

const WORD = 0x1_0000_0000;

export const Lsn = {
  ZERO: 0 as Lsn,

  /** @throws RangeError when `value` is not a whole number in [0, 2^53). */
  of(value: number): Lsn {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`LSN out of range: ${value}`);
    return value as Lsn;
  },

  /** From an unsigned 64-bit wire value. @throws RangeError beyond 2^53. */
  fromBigInt(value: bigint): Lsn {
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`LSN out of range: ${value}`);
    return Number(value) as Lsn;
  },

  /** @throws SyntaxError when `text` is not `X/X` in hexadecimal. */
  parse(text: string): Lsn {
    const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
    if (match === null) throw new SyntaxError(`not an LSN: ${JSON.stringify(text)}`);
    return Lsn.of(parseInt(match[1] ?? '', 16) * WORD + parseInt(match[2] ?? '', 16));
  },

  format: (lsn: Lsn): string => `${Math.floor(lsn / WORD).toString(16)}/${(lsn % WORD).toString(16)}`.toUpperCase(),

  advance: (lsn: Lsn, byteCount: number): Lsn => Lsn.of(lsn + byteCount),

  min: (...lsns: readonly [Lsn, ...Lsn[]]): Lsn => Math.min(...lsns) as Lsn,
  max: (...lsns: readonly [Lsn, ...Lsn[]]): Lsn => Math.max(...lsns) as Lsn,
};
