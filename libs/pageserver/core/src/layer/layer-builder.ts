/**
 * Writes one layer file: versions in key order in, a finished file out.
 *
 *   W1  Versions are given in order of key, then LSN; out of order is a broken promise.
 *   W2  Compression of blocks runs ahead of writing by at most COMPRESSIONS_AHEAD blocks. Without one they stay as they are:
 *       for a layer that is rewritten soon, compressing costs more than it saves.
 */
import { Lsn, assert, crc32c } from '@neon/kernel';
import { type Key, compareKeys, sameKey } from '../key/key';
import type { LayerWriter } from '../timeline/timeline-files';
import { encodeBlock, entrySizeOf } from './block';
import { type KeyHash, buildBloom, keyHash } from './bloom';
import { type Layer, layerName } from './layer';
import {
  BLOCK_SIZE_TARGET,
  type Compression,
  type IndexedBlock,
  LAYER_FOOTER_SIZE,
  encodeLayerFooter,
  encodeLayerHeader,
  encodeLayerIndex,
} from './layer-file';
import type { KeyedValue } from './value';

const COMPRESSIONS_AHEAD = 4;

interface PackedBlock {
  readonly stored: Uint8Array;
  readonly rawSize: number;
}

interface ClosedBlock {
  readonly first: KeyedValue;
  readonly packed: Promise<PackedBlock>;
  readonly filter: Uint8Array;
}

export class LayerBuilder {
  private block: KeyedValue[] = [];
  private blockSize = 0;
  private hashes: KeyHash[] = [];
  private readonly packing: ClosedBlock[] = [];
  private readonly blocks: IndexedBlock[] = [];
  private firstKey: Key | null = null;
  private last: KeyedValue | null = null;
  private offset = 0;
  private valueCount = 0;

  constructor(
    private readonly writer: LayerWriter,
    private readonly compression: Compression | null,
  ) {}

  get isEmpty(): boolean {
    return this.last === null;
  }
  /** Bytes given so far, before compression. */
  rawBytes = 0;
  get lastKey(): Key | null {
    return this.last?.key ?? null;
  }

  /** True when `drain` must be awaited before the next `add`. */
  add(value: KeyedValue): boolean {
    const { last } = this;
    const isNewKey = last === null || !sameKey(last.key, value.key);
    if (last !== null)
      assert(
        isNewKey ? compareKeys(last.key, value.key) < 0 : last.lsn <= value.lsn,
        'W1: versions come in the order of key, then LSN',
      );
    if (isNewKey || this.block.length === 0) this.hashes.push(keyHash(value.key.prefix, value.key.index));
    this.firstKey ??= value.key;
    this.last = value;
    this.block.push(value);
    this.valueCount++;
    const size = entrySizeOf(value);
    this.blockSize += size;
    this.rawBytes += size;
    if (this.blockSize >= BLOCK_SIZE_TARGET) this.closeBlock();
    return this.packing.length > COMPRESSIONS_AHEAD;
  }

  /** Writes blocks until few enough are waiting. */
  async drain(leave = COMPRESSIONS_AHEAD): Promise<void> {
    if (this.offset === 0) await this.write(encodeLayerHeader());
    while (this.packing.length > leave) {
      const next = this.packing.shift();
      if (next === undefined) return;
      const { stored, rawSize } = await next.packed;
      const place = { offset: this.offset, storedSize: stored.length, rawSize, checksum: crc32c(stored) };
      this.blocks.push({
        place: { firstKey: next.first.key, firstLsn: next.first.lsn, ...place },
        filter: next.filter,
      });
      await this.write(stored);
    }
  }

  /** The finished layer; null, and no file, when nothing was added. */
  async finish(description: Pick<Layer, 'kind' | 'level' | 'startLsn' | 'endLsn' | 'sequence'>): Promise<Layer | null> {
    if (this.firstKey === null || this.last === null) {
      await this.writer.abandon();
      return null;
    }
    if (this.block.length > 0) this.closeBlock();
    await this.drain(0);
    const index = await this.pack(encodeLayerIndex(this.blocks));
    const offset = this.offset;
    await this.write(index.stored);
    await this.write(
      encodeLayerFooter({
        offset,
        storedSize: index.stored.length,
        rawSize: index.rawSize,
        checksum: crc32c(index.stored),
        valueCount: this.valueCount,
      }),
    );
    assert(this.offset === offset + index.stored.length + LAYER_FOOTER_SIZE, 'the footer has its size');
    const layer: Layer = {
      ...description,
      range: { first: this.firstKey, last: this.last.key },
      sizeBytes: this.offset,
    };
    await this.writer.finish(layerName(layer));
    return layer;
  }

  abandon = (): Promise<void> => this.writer.abandon();

  private closeBlock(): void {
    const [first] = this.block;
    if (first === undefined) return;
    const packed = this.pack(encodeBlock(this.block));
    // Observed when drained; a failure meanwhile must not count as unhandled.
    packed.catch(() => undefined);
    this.packing.push({ first, packed, filter: buildBloom(this.hashes) });
    this.block = [];
    this.hashes = [];
    this.blockSize = 0;
  }

  private async pack(raw: Uint8Array): Promise<PackedBlock> {
    const stored = await this.compression?.compress(raw);
    return { stored: stored !== undefined && stored.length < raw.length ? stored : raw, rawSize: raw.length };
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await this.writer.append(bytes);
    this.offset += bytes.length;
  }
}

/** Writes all of `values` as one layer. */
export async function writeLayer(
  values: Iterable<KeyedValue>,
  description: Pick<Layer, 'kind' | 'level' | 'startLsn' | 'endLsn' | 'sequence'>,
  { writer, compression }: { writer: LayerWriter; compression: Compression | null },
): Promise<Layer | null> {
  const builder = new LayerBuilder(writer, compression);
  try {
    for (const value of values) if (builder.add(value)) await builder.drain();
    return await builder.finish(description);
  } catch (error) {
    await builder.abandon();
    throw error;
  }
}

export const lsnRangeText = (layer: Layer): string => `${Lsn.format(layer.startLsn)}..${Lsn.format(layer.endLsn)}`;
