/**
 * The promises that hold for any input whatsoever. Each is checked by doing the same thing several ways.
 *
 *   V1  Nothing but `Corrupt` (`WalError` among them) and `UnsupportedRecord` is thrown.
 *   V2  The same bytes give the same result: pushed at once or in pieces, whatever lies before and behind them in memory,
 *       whatever was done before; and they are the same bytes afterwards.
 *   V3  No byte is read outside a record's parts, none written outside the page.
 *   V4  A page that Postgres would read from disk is one after redo too.
 *   V5  Changes that `changesOf` makes of SLRUs and visibility maps can be applied, to a page of zeros too.
 */
import { Corrupt } from '@neon/kernel';
import { UnsupportedRecord } from '@neon/postgres';

/** A promise that an input broke. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export type Outcome<T> =
  { readonly kind: 'value'; readonly value: T } | { readonly kind: 'error'; readonly error: string };

/** V1: what `run` returns, or the typed error it throws. @throws Violation for any other error */
export function attempt<T>(what: string, run: () => T): Outcome<T> {
  try {
    return { kind: 'value', value: run() };
  } catch (error) {
    if (error instanceof Corrupt || error instanceof UnsupportedRecord)
      return { kind: 'error', error: `${error.name}: ${error.message}` };
    throw new Violation(`V1: ${what}: ${String(error)}`, { cause: error });
  }
}

export function require(holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(what());
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.length), Buffer.from(b.buffer, b.byteOffset, b.length)) === 0;

/** A view of the same bytes with others around them. */
export function poisoned(bytes: Uint8Array, poison: number): Uint8Array {
  const margin = 64;
  const buffer = new Uint8Array(bytes.length + 2 * margin).fill(poison);
  buffer.set(bytes, margin);
  return buffer.subarray(margin, margin + bytes.length);
}
