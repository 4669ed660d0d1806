/**
 * The layer file: blocks of versions, an index of blocks, and a footer that finds the index.
 *
 *   header  16 bytes: magic "NEONLAYR" | u16 version | u16 0 | u32 crc32c of the 12 before
 *   blocks  each stored as compressed by the `Compression` port, or as it is when that is not smaller
 *   index   u32 block count | count × (first key 18 | u64 first lsn | u64 offset | u32 stored size | u32 raw size |
 *           u32 crc32c of the stored bytes | u32 end of its filter) | Bloom filters of the blocks' keys; stored like a block
 *   footer  40 bytes: u64 index offset | u32 stored size | u32 raw size | u32 crc32c of the stored index |
 *           u64 version count | magic "NLYRFOOT" | u32 crc32c of the 36 before
 *
 *   F1  Every byte of the file is under a checksum that is verified before the byte is used.
 *   F2  A file of another version is refused by name, never guessed at.
 *   F3  Blocks are in key order, and within a key in LSN order, across the whole file.
 */
import { Corrupt, type Lsn, crc32c } from '@neon/kernel';
import { type Key, KEY_SIZE, PREFIX_SIZE, type Prefix, readPrefix, writePrefix } from '../key/key';
import { Block } from './block';
import { type KeyHash, mayHold } from './bloom';

export const LAYER_FILE_VERSION = 1;
export const LAYER_HEADER_SIZE = 16;
export const LAYER_FOOTER_SIZE = 40;
/** Raw bytes after which a block is closed: one read and one decompression (30 µs) for about four pages. */
export const BLOCK_SIZE_TARGET = 32 * 1024;

const MAGIC = 'NEONLAYR';
const FOOTER_MAGIC = 'NLYRFOOT';
const INDEX_ENTRY_SIZE = KEY_SIZE + 32;
const WORD = 0x1_0000_0000;

export abstract class Compression {
  abstract compress(raw: Uint8Array): Promise<Uint8Array>;
  /** @throws Corrupt unless the result has exactly `rawSize` bytes. */
  abstract decompress(stored: Uint8Array, rawSize: number): Uint8Array;
}

/** Where a block lies in its file, and what is in it first. */
export interface BlockPlace {
  readonly firstKey: Key;
  readonly firstLsn: Lsn;
  readonly offset: number;
  readonly storedSize: number;
  readonly rawSize: number;
  readonly checksum: number;
}

export interface IndexPlace {
  readonly offset: number;
  readonly storedSize: number;
  readonly rawSize: number;
  readonly checksum: number;
  readonly valueCount: number;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const readU64 = (view: DataView, at: number): number => view.getUint32(at) * WORD + view.getUint32(at + 4);
function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / WORD));
  view.setUint32(at + 4, value % WORD);
}
const magicBytes = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));
const hasMagic = (bytes: Uint8Array, at: number, text: string): boolean =>
  magicBytes(text).every((byte, i) => bytes[at + i] === byte);

export function encodeLayerHeader(): Uint8Array {
  const bytes = new Uint8Array(LAYER_HEADER_SIZE);
  const view = viewOf(bytes);
  bytes.set(magicBytes(MAGIC));
  view.setUint16(8, LAYER_FILE_VERSION);
  view.setUint32(12, crc32c(bytes, 0, 12));
  return bytes;
}

/** @throws Corrupt */
export function checkLayerHeader(bytes: Uint8Array): void {
  if (bytes.length !== LAYER_HEADER_SIZE || !hasMagic(bytes, 0, MAGIC)) throw new Corrupt('not a layer file');
  const view = viewOf(bytes);
  if (view.getUint32(12) !== crc32c(bytes, 0, 12)) throw new Corrupt('layer header checksum differs');
  if (view.getUint16(8) !== LAYER_FILE_VERSION)
    throw new Corrupt(`layer file version ${view.getUint16(8)}, known is ${LAYER_FILE_VERSION}`);
}

export function encodeLayerFooter(place: IndexPlace): Uint8Array {
  const bytes = new Uint8Array(LAYER_FOOTER_SIZE);
  const view = viewOf(bytes);
  writeU64(view, 0, place.offset);
  view.setUint32(8, place.storedSize);
  view.setUint32(12, place.rawSize);
  view.setUint32(16, place.checksum);
  writeU64(view, 20, place.valueCount);
  bytes.set(magicBytes(FOOTER_MAGIC), 28);
  view.setUint32(36, crc32c(bytes, 0, 36));
  return bytes;
}

/** @throws Corrupt */
export function decodeLayerFooter(bytes: Uint8Array, fileSize: number): IndexPlace {
  if (bytes.length !== LAYER_FOOTER_SIZE || !hasMagic(bytes, 28, FOOTER_MAGIC))
    throw new Corrupt('layer file has no footer');
  const view = viewOf(bytes);
  if (view.getUint32(36) !== crc32c(bytes, 0, 36)) throw new Corrupt('layer footer checksum differs');
  const place: IndexPlace = {
    offset: readU64(view, 0),
    storedSize: view.getUint32(8),
    rawSize: view.getUint32(12),
    checksum: view.getUint32(16),
    valueCount: readU64(view, 20),
  };
  if (place.offset + place.storedSize + LAYER_FOOTER_SIZE !== fileSize)
    throw new Corrupt(`layer file of ${fileSize} bytes, its footer says otherwise`);
  return place;
}

export interface IndexedBlock {
  readonly place: BlockPlace;
  readonly filter: Uint8Array;
}

export function encodeLayerIndex(blocks: readonly IndexedBlock[]): Uint8Array {
  const filtersAt = 4 + blocks.length * INDEX_ENTRY_SIZE;
  const bytes = new Uint8Array(blocks.reduce((size, { filter }) => size + filter.length, filtersAt));
  const view = viewOf(bytes);
  view.setUint32(0, blocks.length);
  let filterEnd = 0;
  blocks.forEach(({ place, filter }, i) => {
    const at = 4 + i * INDEX_ENTRY_SIZE;
    writePrefix(place.firstKey.prefix, bytes, at);
    view.setUint32(at + PREFIX_SIZE, place.firstKey.index);
    writeU64(view, at + KEY_SIZE, place.firstLsn);
    writeU64(view, at + KEY_SIZE + 8, place.offset);
    view.setUint32(at + KEY_SIZE + 16, place.storedSize);
    view.setUint32(at + KEY_SIZE + 20, place.rawSize);
    view.setUint32(at + KEY_SIZE + 24, place.checksum);
    bytes.set(filter, filtersAt + filterEnd);
    filterEnd += filter.length;
    view.setUint32(at + KEY_SIZE + 28, filterEnd);
  });
  return bytes;
}

/** The index of a layer file, searched where it lies. */
export class LayerIndex {
  private readonly view: DataView;
  private readonly filtersAt: number;
  readonly blockCount: number;

  /** @throws Corrupt */
  constructor(readonly bytes: Uint8Array) {
    this.view = viewOf(bytes);
    this.blockCount = bytes.length < 4 ? 0 : this.view.getUint32(0);
    this.filtersAt = 4 + this.blockCount * INDEX_ENTRY_SIZE;
    if (this.blockCount === 0 || this.filtersAt > bytes.length) throw new Corrupt('layer index is cut short');
    for (let i = 0; i < this.blockCount; i++)
      if (this.filterEnd(i) <= this.filterEnd(i - 1)) throw new Corrupt('layer index is not well formed');
    if (this.filtersAt + this.filterEnd(this.blockCount - 1) !== bytes.length)
      throw new Corrupt('layer index size differs from its filters');
  }

  /** False: the block has no version of the key. */
  mayHold(block: number, hash: KeyHash): boolean {
    const [start, end] = [this.filterEnd(block - 1), this.filterEnd(block)];
    return mayHold(this.bytes.subarray(this.filtersAt + start, this.filtersAt + end), hash);
  }

  private filterEnd = (i: number): number =>
    i < 0 ? 0 : this.view.getUint32(4 + i * INDEX_ENTRY_SIZE + KEY_SIZE + 28);

  place(i: number): BlockPlace {
    const at = 4 + i * INDEX_ENTRY_SIZE;
    return {
      firstKey: { prefix: readPrefix(this.bytes, at), index: this.view.getUint32(at + PREFIX_SIZE) },
      firstLsn: readU64(this.view, at + KEY_SIZE) as Lsn,
      offset: readU64(this.view, at + KEY_SIZE + 8),
      storedSize: this.view.getUint32(at + KEY_SIZE + 16),
      rawSize: this.view.getUint32(at + KEY_SIZE + 20),
      checksum: this.view.getUint32(at + KEY_SIZE + 24),
    };
  }

  /**
   * The last block that begins at or before (key, lsn), or -1. When the layer has a version of the key at or below the LSN,
   * the newest such is in this block.
   */
  findBlock(prefix: Prefix, index: number, lsn: Lsn): number {
    let low = 0;
    let high = this.blockCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.compareFirst(middle, prefix, index);
      if (order < 0 || (order === 0 && this.firstLsn(middle) <= lsn)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  private firstLsn = (i: number): number => readU64(this.view, 4 + i * INDEX_ENTRY_SIZE + KEY_SIZE);

  private compareFirst(i: number, prefix: Prefix, index: number): number {
    const at = 4 + i * INDEX_ENTRY_SIZE;
    for (let c = 0; c < PREFIX_SIZE; c++) {
      const difference = (this.bytes[at + c] as number) - prefix.charCodeAt(c);
      if (difference !== 0) return difference;
    }
    return this.view.getUint32(at + PREFIX_SIZE) - index;
  }
}

/** Stored bytes back to raw ones. @throws Corrupt */
export function unpack(
  stored: Uint8Array,
  place: { readonly storedSize: number; readonly rawSize: number; readonly checksum: number },
  compression: Compression,
): Uint8Array {
  if (stored.length !== place.storedSize) throw new Corrupt('layer file ends within a block');
  if (crc32c(stored) !== place.checksum) throw new Corrupt('block checksum differs');
  return place.storedSize === place.rawSize ? stored : compression.decompress(stored, place.rawSize);
}

export const unpackBlock = (stored: Uint8Array, place: BlockPlace, compression: Compression): Block =>
  new Block(unpack(stored, place, compression));
