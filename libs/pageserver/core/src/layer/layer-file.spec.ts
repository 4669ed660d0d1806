import { Corrupt, Lsn } from '@neon/kernel';
import { Fork } from '@neon/postgres';
import fc from 'fast-check';
import { compareKeys, relationPagePrefix } from '../key/key';
import { layerValues } from '../compaction/layer-values';
import { MemoryTimelineFiles, RunLengthCompression } from '../memory-files';
import { BlockCache, INDEX_PIECE } from '../read/block-cache';
import { Block, encodeBlock } from './block';
import { type Layer, layerName } from './layer';
import { writeLayer } from './layer-builder';
import { LayerIndex } from './layer-file';
import type { KeyedValue, ValueKind } from './value';

const value = fc
  .record({
    relationNumber: fc.integer({ min: 1, max: 3 }),
    index: fc.integer({ min: 0, max: 20 }),
    lsn: fc.integer({ min: 1, max: 50 }),
    kind: fc.constantFrom<ValueKind>(0, 1, 2),
    size: fc.constantFrom(0, 1, 30, 300, 8192),
    fill: fc.integer({ min: 0, max: 255 }),
  })
  .map(({ relationNumber, index, lsn, kind, size, fill }): KeyedValue => {
    const prefix = relationPagePrefix({ tablespaceOid: 1663, databaseOid: 5, relationNumber }, Fork.MAIN);
    return { key: { prefix, index }, lsn: Lsn.of(lsn), kind, bytes: new Uint8Array(size).fill(fill) };
  });
const values = fc
  .array(value, { minLength: 1, maxLength: 60 })
  .map((all) => all.sort((a, b) => compareKeys(a.key, b.key) || a.lsn - b.lsn));

async function written(all: readonly KeyedValue[]): Promise<{ files: MemoryTimelineFiles; layer: Layer }> {
  const files = new MemoryTimelineFiles();
  const layer = await writeLayer(
    all,
    { kind: 'delta', level: 0, startLsn: Lsn.of(0), endLsn: Lsn.of(50), sequence: 1 },
    { writer: await files.create(), compression: new RunLengthCompression() },
  );
  return { files, layer: layer! };
}

async function readBack(files: MemoryTimelineFiles, layer: Layer): Promise<KeyedValue[]> {
  const all: KeyedValue[] = [];
  for await (const block of layerValues({ files, compression: new RunLengthCompression() }, layer)) all.push(...block);
  return all;
}

it('what is written is read back, in order', async () => {
  await fc.assert(
    fc.asyncProperty(values, async (all) => {
      const { files, layer } = await written(all);
      expect(await readBack(files, layer)).toEqual(all);
      expect(layer.sizeBytes).toBe(files.contents.get(layerName(layer))?.length);
    }),
    { numRuns: 50 },
  );
});

it('F1: any changed byte is Corrupt, never a wrong answer', async () => {
  const { files, layer } = await written(fc.sample(values, { numRuns: 1, seed: 7 })[0]!.slice(0, 12));
  const content = files.contents.get(layerName(layer))!;
  await fc.assert(
    fc.asyncProperty(fc.nat(content.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      content[at]! ^= flip;
      await expect(readBack(files, layer)).rejects.toThrow(Corrupt);
      content[at]! ^= flip;
    }),
    { numRuns: 300 },
  );
});

it('a file cut short is Corrupt', async () => {
  const { files, layer } = await written(fc.sample(values, { numRuns: 1, seed: 8 })[0]!);
  const content = files.contents.get(layerName(layer))!;
  for (const size of [0, 10, 16, content.length - 41, content.length - 1]) {
    files.contents.set(layerName(layer), content.subarray(0, size));
    await expect(readBack(files, layer)).rejects.toThrow(Corrupt);
    await expect(readBack(files, { ...layer, sizeBytes: size })).rejects.toThrow(Corrupt);
  }
});

it('B3: values are plain byte arrays when the block came as a Buffer, so that redo may take slices of them', () => {
  const all = fc.sample(values, { numRuns: 1, seed: 10 })[0]!;
  const block = new Block(Buffer.from(encodeBlock(all)));
  const found = Array.from({ length: block.count }, (_, i) => block.valueAt(i).bytes);
  expect(found.filter((bytes) => Buffer.isBuffer(bytes))).toEqual([]);
  expect(found).toEqual(all.map(({ bytes }) => bytes));
});

it('the cache reads a block once for many readers, neighbours in one piece, and stays within its size', async () => {
  const all = fc.sample(values, { numRuns: 1, seed: 9 })[0]!;
  const { files, layer } = await written(all);
  const cache = new BlockCache(new RunLengthCompression(), 1);
  const indexId = cache.idOf(layer, INDEX_PIECE);
  const index = (await cache.load([{ files, layer, block: INDEX_PIECE }])).get(indexId) as LayerIndex;
  const blocks = Array.from({ length: index.blockCount }, (_, block) => ({ files, layer, block }));
  files.reads = 0;
  const [one, other] = await Promise.all([cache.load(blocks), cache.load(blocks)]);
  expect(files.reads).toBe(1);
  for (const [id, block] of one) expect(other.get(id)).toBe(block);
  expect(blocks.filter(({ block }) => cache.find(cache.idOf(layer, block)) !== undefined).length).toBeLessThanOrEqual(
    1,
  );
});
