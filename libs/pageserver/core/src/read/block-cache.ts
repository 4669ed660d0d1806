/**
 * Decoded blocks and indexes of layer files, least recently used out first, shared by all timelines of the process.
 *
 *   B1  At most `sizeBytesMax` of raw bytes are kept.
 *   B2  A block is read and checked once, however many readers wait for it.
 *   B3  Blocks that lie next to each other in a file are read in one piece.
 */
import { Corrupt, copyOf } from '@neon/kernel';
import type { Block } from '../layer/block';
import { type Layer, layerName } from '../layer/layer';
import {
  type BlockPlace,
  type Compression,
  LAYER_FOOTER_SIZE,
  LAYER_HEADER_SIZE,
  LayerIndex,
  checkLayerHeader,
  decodeLayerFooter,
  unpack,
  unpackBlock,
} from '../layer/layer-file';
import type { TimelineFiles } from '../timeline/timeline-files';

export type Piece = Block | LayerIndex;

/** A piece of a layer file: block number, or INDEX_PIECE for the index. */
export interface PieceAddress {
  readonly files: TimelineFiles;
  readonly layer: Layer;
  readonly block: number;
}
export const INDEX_PIECE = -1;

/** Bytes between two wanted blocks that are cheaper to read along than to seek over. */
const READ_GAP_MAX = 16 * 1024;
const READ_SIZE_MAX = 1024 * 1024;
const BLOCKS_PER_LAYER_MAX = 2 ** 24;

export class BlockCache {
  private readonly pieces = new Map<number, Piece>();
  private readonly loading = new Map<number, Promise<Piece>>();
  private readonly numbers = new WeakMap<Layer, number>();
  private nextNumber = 0;
  private sizeBytes = 0;
  readonly counts = { hits: 0, misses: 0, bytesRead: 0 };

  constructor(
    private readonly compression: Compression,
    private readonly sizeBytesMax: number,
  ) {}

  idOf(layer: Layer, block: number): number {
    let number = this.numbers.get(layer);
    if (number === undefined) this.numbers.set(layer, (number = this.nextNumber++));
    return number * BLOCKS_PER_LAYER_MAX + block + 1;
  }

  find(id: number): Piece | undefined {
    const piece = this.pieces.get(id);
    if (piece === undefined) {
      this.counts.misses++;
      return undefined;
    }
    this.counts.hits++;
    this.pieces.delete(id);
    this.pieces.set(id, piece);
    return piece;
  }

  /** The pieces by id, from the cache or from their files. @throws Corrupt, Unavailable */
  async load(wanted: readonly PieceAddress[]): Promise<Map<number, Piece>> {
    const byLayer = new Map<Layer, PieceAddress[]>();
    const waits = new Map<number, Promise<Piece>>();
    for (const address of wanted) {
      const id = this.idOf(address.layer, address.block);
      const underway = this.loading.get(id);
      if (underway !== undefined) waits.set(id, underway);
      else if (!waits.has(id)) byLayer.set(address.layer, [...(byLayer.get(address.layer) ?? []), address]);
    }
    for (const addresses of byLayer.values())
      for (const [id, piece] of this.start(addresses)) {
        this.loading.set(id, piece);
        waits.set(id, piece);
      }
    const loaded = new Map<number, Piece>();
    for (const [id, piece] of waits) loaded.set(id, await piece);
    return loaded;
  }

  /** Reads of one layer's pieces, begun; each settles on its own. */
  private *start(addresses: readonly PieceAddress[]): Generator<[number, Promise<Piece>]> {
    const seen = new Set<number>();
    const blocks: PieceAddress[] = [];
    for (const address of addresses) {
      if (seen.has(address.block)) continue;
      seen.add(address.block);
      if (address.block === INDEX_PIECE) yield this.track(address, this.loadIndex(address));
      else blocks.push(address);
    }
    const [first] = blocks;
    if (first === undefined) return;
    const whole = this.loadBlocks(
      first,
      blocks.map((address) => address.block).sort((a, b) => a - b),
    );
    for (const address of blocks)
      yield this.track(
        address,
        whole.then((loaded) => {
          const block = loaded.get(address.block);
          if (block === undefined) throw new Corrupt(`block ${address.block} is not in ${layerName(address.layer)}`);
          return block;
        }),
      );
  }

  private track(address: PieceAddress, piece: Promise<Piece>): [number, Promise<Piece>] {
    const id = this.idOf(address.layer, address.block);
    const tracked = piece
      .then((loaded) => {
        this.keep(id, loaded);
        return loaded;
      })
      .finally(() => this.loading.delete(id));
    tracked.catch(() => undefined);
    return [id, tracked];
  }

  private async loadIndex({ files, layer }: PieceAddress): Promise<LayerIndex> {
    const name = layerName(layer);
    return naming(name, async () => {
      if (layer.sizeBytes < LAYER_HEADER_SIZE + LAYER_FOOTER_SIZE) throw new Corrupt('layer file is cut short');
      const [header, footer] = await Promise.all([
        files.read(name, { offset: 0, length: LAYER_HEADER_SIZE }),
        files.read(name, { offset: layer.sizeBytes - LAYER_FOOTER_SIZE, length: LAYER_FOOTER_SIZE }),
      ]);
      checkLayerHeader(header);
      const place = decodeLayerFooter(footer, layer.sizeBytes);
      const stored = await files.read(name, { offset: place.offset, length: place.storedSize });
      this.counts.bytesRead += stored.length;
      return new LayerIndex(unpack(stored, place, this.compression));
    });
  }

  private async loadBlocks({ files, layer }: PieceAddress, blocks: readonly number[]): Promise<Map<number, Block>> {
    const indexId = this.idOf(layer, INDEX_PIECE);
    let index = this.find(indexId);
    index ??= (await this.load([{ files, layer, block: INDEX_PIECE }])).get(indexId);
    if (!(index instanceof LayerIndex)) throw new Corrupt(`no index in ${layerName(layer)}`);
    const name = layerName(layer);
    const loaded = new Map<number, Block>();
    for (const run of runsOf(blocks, index)) {
      const [first, last] = [run[0]?.place, run[run.length - 1]?.place];
      if (first === undefined || last === undefined) continue;
      const length = last.offset + last.storedSize - first.offset;
      const bytes = await files.read(name, { offset: first.offset, length });
      this.counts.bytesRead += length;
      for (const { block, place } of run) {
        const at = place.offset - first.offset;
        const stored = bytes.subarray(at, at + place.storedSize);
        // A block kept as stored must not keep its neighbours' bytes alive.
        const own = place.storedSize === place.rawSize && run.length > 1 ? copyOf(stored) : stored;
        loaded.set(block, await naming(name, async () => unpackBlock(own, place, this.compression)));
      }
    }
    return loaded;
  }

  private keep(id: number, piece: Piece): void {
    this.pieces.set(id, piece);
    this.sizeBytes += piece.bytes.length;
    for (const [oldest, old] of this.pieces) {
      if (this.sizeBytes <= this.sizeBytesMax || oldest === id) return;
      this.pieces.delete(oldest);
      this.sizeBytes -= old.bytes.length;
    }
  }
}

interface WantedBlock {
  readonly block: number;
  readonly place: BlockPlace;
}

/** Wanted blocks in groups that are each read in one piece. */
function runsOf(blocks: readonly number[], index: LayerIndex): WantedBlock[][] {
  const runs: WantedBlock[][] = [];
  for (const block of blocks) {
    const place = index.place(block);
    const run = runs[runs.length - 1];
    const [first, last] = [run?.[0]?.place, run?.[run.length - 1]?.place];
    const joins =
      first !== undefined &&
      last !== undefined &&
      place.offset - (last.offset + last.storedSize) <= READ_GAP_MAX &&
      place.offset + place.storedSize - first.offset <= READ_SIZE_MAX;
    if (joins) run?.push({ block, place });
    else runs.push([{ block, place }]);
  }
  return runs;
}

async function naming<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Corrupt) throw new Corrupt(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}
