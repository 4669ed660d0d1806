/**
 * A block of a layer file: versions sorted by key, then LSN, in a table that is searched where it lies.
 *
 *   u32 count | count × (key 18 | u64 lsn | u8 kind | u32 end of value) | values, one after the other
 *
 *   B1  `parseBlock` checks every bound once; searching afterwards cannot leave the block.
 *   B2  `findLast` answers the position of the newest version of a key at or below an LSN.
 *   B3  A value is a plain byte array, whatever files and compression hand over: redo takes slices, and a Buffer's are views.
 */
import { Corrupt, type Lsn } from '@neon/kernel';
import { type Key, KEY_SIZE, PREFIX_SIZE, type Prefix, readPrefix, writePrefix } from '../key/key';
import { DELTA_INIT, type KeyedValue, type Value, type ValueKind } from './value';

const ENTRY_SIZE = KEY_SIZE + 13;
const WORD = 0x1_0000_0000;

export const entrySizeOf = (value: Value): number => ENTRY_SIZE + value.bytes.length;

export function encodeBlock(values: readonly KeyedValue[]): Uint8Array {
  const tableSize = 4 + values.length * ENTRY_SIZE;
  const bytes = new Uint8Array(values.reduce((size, value) => size + value.bytes.length, tableSize));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, values.length);
  let end = 0;
  let prefix: Prefix | null = null;
  values.forEach((value, i) => {
    const at = 4 + i * ENTRY_SIZE;
    // Neighbours nearly always share their prefix.
    if (prefix === value.key.prefix) bytes.copyWithin(at, at - ENTRY_SIZE, at - ENTRY_SIZE + PREFIX_SIZE);
    else writePrefix((prefix = value.key.prefix), bytes, at);
    view.setUint32(at + PREFIX_SIZE, value.key.index);
    view.setUint32(at + KEY_SIZE, Math.floor(value.lsn / WORD));
    view.setUint32(at + KEY_SIZE + 4, value.lsn % WORD);
    view.setUint8(at + KEY_SIZE + 8, value.kind);
    bytes.set(value.bytes, tableSize + end);
    end += value.bytes.length;
    view.setUint32(at + KEY_SIZE + 9, end);
  });
  return bytes;
}

export class Block {
  private readonly view: DataView;
  private readonly valuesAt: number;
  readonly count: number;
  /** B3. */
  readonly bytes: Uint8Array;

  /** @throws Corrupt */
  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.count = bytes.length < 4 ? 0 : this.view.getUint32(0);
    this.valuesAt = 4 + this.count * ENTRY_SIZE;
    if (this.count === 0 || this.valuesAt > bytes.length) throw new Corrupt('block table exceeds its block');
    let end = 0;
    for (let i = 0; i < this.count; i++) {
      const next = this.endOf(i);
      if (next < end || this.view.getUint8(this.entryAt(i) + KEY_SIZE + 8) > DELTA_INIT)
        throw new Corrupt('block table is not well formed');
      end = next;
    }
    if (this.valuesAt + end !== bytes.length) throw new Corrupt('block values do not fill their block');
  }

  keyAt(i: number): Key {
    const at = this.entryAt(i);
    return { prefix: readPrefix(this.bytes, at), index: this.view.getUint32(at + PREFIX_SIZE) };
  }

  lsnAt(i: number): Lsn {
    const at = this.entryAt(i) + KEY_SIZE;
    return (this.view.getUint32(at) * WORD + this.view.getUint32(at + 4)) as Lsn;
  }

  valueAt(i: number): Value {
    const start = i === 0 ? 0 : this.endOf(i - 1);
    return {
      lsn: this.lsnAt(i),
      kind: this.view.getUint8(this.entryAt(i) + KEY_SIZE + 8) as ValueKind,
      bytes: this.bytes.subarray(this.valuesAt + start, this.valuesAt + this.endOf(i)),
    };
  }

  isKey(i: number, prefix: Prefix, index: number): boolean {
    return this.compareKey(i, prefix, index) === 0;
  }

  /** The last entry at or before (key, lsn), or -1. It may belong to another key. */
  findLast(prefix: Prefix, index: number, lsn: Lsn): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.compareKey(middle, prefix, index);
      if (order < 0 || (order === 0 && this.lsnAt(middle) <= lsn)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  private compareKey(i: number, prefix: Prefix, index: number): number {
    const at = this.entryAt(i);
    for (let c = 0; c < PREFIX_SIZE; c++) {
      const difference = (this.bytes[at + c] as number) - prefix.charCodeAt(c);
      if (difference !== 0) return difference;
    }
    return this.view.getUint32(at + PREFIX_SIZE) - index;
  }

  private entryAt = (i: number): number => 4 + i * ENTRY_SIZE;
  private endOf(i: number): number {
    return this.view.getUint32(4 + i * ENTRY_SIZE + KEY_SIZE + 9);
  }
}
