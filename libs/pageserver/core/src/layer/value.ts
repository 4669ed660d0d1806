/**
 * One version of a key.
 *
 *   V1  An image is the key's whole content at its LSN; an empty image says that the key does not exist from there on
 *       (for a page: that it is zeros).
 *   V2  A delta is applied on top of what lies below it. One with `willInit` needs nothing below.
 *   V3  A key may have several versions at one LSN: they are kept in the order in which they were put.
 */
import type { Lsn } from '@neon/kernel';
import type { Key } from '../key/key';

export const IMAGE = 0;
export const DELTA = 1;
export const DELTA_INIT = 2;
export type ValueKind = typeof IMAGE | typeof DELTA | typeof DELTA_INIT;

export interface Value {
  /** End of the record that made this version. */
  readonly lsn: Lsn;
  readonly kind: ValueKind;
  readonly bytes: Uint8Array;
}

export interface KeyedValue extends Value {
  readonly key: Key;
}

/** Whether a version stands on its own. */
export const isBase = (kind: ValueKind): boolean => kind !== DELTA;
