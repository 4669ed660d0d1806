/**
 * The in-memory layer: versions of keys in the order of ingest, before they are written to a layer file.
 *
 *   N1  `put` appends; nothing is ever changed or moved, so that a reader with an older LSN bound is never disturbed.
 *   N2  Versions of one key come in LSN order.
 *   N3  What lies above `endLsn` when the layer is written out is left out: part of a record that failed.
 *   N4  `sizeBytes` counts values and their index: whoever puts watches it and freezes the layer at a limit.
 *
 * The versions of a key are a chain through typed arrays, newest first: a put allocates nothing but, once in a while, room.
 */
import { type Lsn, type UnwrittenBytes, writeBytes } from '@neon/kernel';
import { type Key, type KeyRange, type Prefix, compareKeys } from '../key/key';
import { type KeyedValue, type Value, type ValueKind, isBase } from './value';

/** Chunks grow from the first to the second size, so that a timeline with few changes holds little. */
const CHUNK_SIZE_FIRST = 1 << 13;
const CHUNK_SIZE_MAX = 1 << 20;
/** lsn, chunk, offset, length and kind, previous, depth, and the share of the maps that find the chain. */
const INDEX_BYTES_PER_VALUE = 44;
const NONE = -1;

export class MemoryLayer {
  private readonly chains = new Map<Prefix, Map<number, number>>();
  private readonly chunks: Uint8Array[] = [];
  private chunk = new Uint8Array(0);
  private used = 0;
  private count = 0;
  private lsns = new Float64Array(64);
  private positions = new Uint32Array(128);
  /** Length in the low 30 bits, kind in the high two. */
  private lengths = new Uint32Array(64);
  private previous = new Int32Array(64);
  private depths = new Uint32Array(64);
  private bytes = 0;
  /** Everything in (startLsn, endLsn] is here once `endLsn` is set by the freezer. */
  endLsn: Lsn;

  constructor(readonly startLsn: Lsn) {
    this.endLsn = startLsn;
  }

  get sizeBytes(): number {
    return this.bytes + this.count * INDEX_BYTES_PER_VALUE;
  }
  get valueCount(): number {
    return this.count;
  }

  /** @returns how many deltas of this layer now lie on the key's newest version that stands on its own */
  put(prefix: Prefix, index: number, lsn: Lsn, kind: ValueKind, value: Uint8Array | UnwrittenBytes): number {
    let chain = this.chains.get(prefix);
    if (chain === undefined) this.chains.set(prefix, (chain = new Map()));
    const entry = this.count;
    if (entry === this.lsns.length) this.grow();
    const offset = this.append(value);
    this.lsns[entry] = lsn;
    this.positions[2 * entry] = this.chunks.length - 1;
    this.positions[2 * entry + 1] = offset;
    this.lengths[entry] = (kind * 0x4000_0000 + value.length) >>> 0;
    const previous = chain.get(index) ?? NONE;
    this.previous[entry] = previous;
    const depth = isBase(kind) ? 0 : previous === NONE ? 1 : (this.depths[previous] as number) + 1;
    this.depths[entry] = depth;
    chain.set(index, entry);
    this.count = entry + 1;
    this.bytes += value.length;
    return depth;
  }

  /** Calls `visit` with the versions of the key at or below `at`, newest first, until it answers false. */
  visit(prefix: Prefix, index: number, at: Lsn, visit: (value: Value) => boolean): void {
    let entry = this.chains.get(prefix)?.get(index) ?? NONE;
    while (entry !== NONE) {
      if ((this.lsns[entry] as number) <= at && !visit(this.valueAt(entry))) return;
      entry = this.previous[entry] as number;
    }
  }

  /** The keys within a range, in order. */
  keys(range: KeyRange): Key[] {
    const found: Key[] = [];
    for (const [prefix, chain] of this.chains) {
      if (prefix < range.first.prefix || prefix > range.last.prefix) continue;
      for (const index of chain.keys()) {
        const key = { prefix, index };
        if (compareKeys(range.first, key) <= 0 && compareKeys(key, range.last) <= 0) found.push(key);
      }
    }
    return found.sort(compareKeys);
  }

  /** Everything up to `endLsn`, by key and then by LSN. */
  *sorted(): Generator<KeyedValue> {
    for (const prefix of [...this.chains.keys()].sort((a, b) => (a < b ? -1 : 1))) {
      const chain = this.chains.get(prefix) ?? new Map<number, number>();
      const indexes = Float64Array.from(chain.keys()).sort();
      for (const index of indexes) {
        const key = { prefix, index };
        const newest = chain.get(index) ?? NONE;
        const entries: number[] = [newest];
        for (let entry = this.previous[newest] as number; entry !== NONE; entry = this.previous[entry] as number)
          entries.push(entry);
        for (let i = entries.length - 1; i >= 0; i--) {
          const { lsn, kind, bytes } = this.valueAt(entries[i] as number);
          if (lsn <= this.endLsn) yield { key, lsn, kind, bytes };
        }
      }
    }
  }

  private valueAt(entry: number): Value {
    const packed = this.lengths[entry] as number;
    const chunk = this.chunks[this.positions[2 * entry] as number] as Uint8Array;
    const offset = this.positions[2 * entry + 1] as number;
    return {
      lsn: this.lsns[entry] as Lsn,
      kind: (packed >>> 30) as ValueKind,
      bytes: chunk.subarray(offset, offset + (packed & 0x3fff_ffff)),
    };
  }

  private append(value: Uint8Array | UnwrittenBytes): number {
    if (this.used + value.length > this.chunk.length || this.chunks.length === 0) {
      this.chunk = new Uint8Array(
        Math.max(Math.min(CHUNK_SIZE_FIRST * 2 ** this.chunks.length, CHUNK_SIZE_MAX), value.length),
      );
      this.chunks.push(this.chunk);
      this.used = 0;
    }
    const offset = this.used;
    writeBytes(value, this.chunk, offset);
    this.used += value.length;
    return offset;
  }

  private grow(): void {
    const capacity = this.lsns.length * 2;
    const lsns = new Float64Array(capacity);
    lsns.set(this.lsns);
    this.lsns = lsns;
    const widen = (source: Uint32Array<ArrayBuffer>, width: number): Uint32Array<ArrayBuffer> => {
      const wider = new Uint32Array(capacity * width);
      wider.set(source);
      return wider;
    };
    this.positions = widen(this.positions, 2);
    this.lengths = widen(this.lengths, 1);
    this.depths = widen(this.depths, 1);
    const previous = new Int32Array(capacity);
    previous.set(this.previous);
    this.previous = previous;
  }
}
