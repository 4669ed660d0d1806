import { type Lsn, Lsn as LsnOf } from '@neon/kernel';
import { Fork } from '@neon/postgres';
import fc from 'fast-check';
import { type Key, compareKeys, relationPagePrefix } from '../key/key';
import type { Layer } from './layer';
import { layerName, parseLayerName } from './layer';
import { LayerMap } from './layer-map';

const keyAt = (i: number): Key => ({
  prefix: relationPagePrefix({ tablespaceOid: 1663, databaseOid: 5, relationNumber: Math.floor(i / 4) }, Fork.MAIN),
  index: i % 4,
});
const KEYS = 40;

/** Delta layers of each round share an LSN range and are apart in keys, as compaction leaves them; images stand anywhere. */
const layers = fc
  .array(
    fc.record({
      cuts: fc.uniqueArray(fc.integer({ min: 0, max: KEYS - 1 }), { minLength: 2, maxLength: 6 }),
      isImage: fc.boolean(),
      span: fc.integer({ min: 1, max: 20 }),
    }),
    { maxLength: 12 },
  )
  .map((rounds) => {
    const made: Layer[] = [];
    let lsn = 8;
    for (const { cuts, isImage, span } of rounds) {
      const sorted = cuts.sort((a, b) => a - b);
      for (let i = 0; i + 1 < sorted.length; i += 2)
        made.push({
          kind: isImage ? 'image' : 'delta',
          level: 1,
          range: { first: keyAt(sorted[i]!), last: keyAt(sorted[i + 1]!) },
          startLsn: LsnOf.of(lsn),
          endLsn: LsnOf.of(isImage ? lsn : lsn + span),
          sizeBytes: 1,
          sequence: made.length,
        });
      if (!isImage) lsn += span;
    }
    return made;
  });

const covers = (layer: Layer, key: Key): boolean =>
  compareKeys(layer.range.first, key) <= 0 && compareKeys(key, layer.range.last) <= 0;

/** The rules in plain words. */
function naiveSearch(all: readonly Layer[], key: Key, at: Lsn, imagesTo: Lsn) {
  const newest = (candidates: Layer[]): Layer | null =>
    candidates.reduce<Layer | null>(
      (best, layer) => (best === null || layer.startLsn >= best.startLsn ? layer : best),
      null,
    );
  const image = newest(
    all.filter((layer) => layer.kind === 'image' && covers(layer, key) && layer.startLsn <= imagesTo),
  );
  const delta = newest(all.filter((layer) => layer.kind === 'delta' && covers(layer, key) && layer.startLsn < at));
  if (delta !== null && (image === null || image.startLsn < Math.min(delta.endLsn, at)))
    return { layer: delta, floor: Math.max(delta.startLsn, image?.startLsn ?? 0) };
  return image === null ? null : { layer: image, floor: image.startLsn - 1 };
}

it('M2: a search finds what looking through all layers finds', () => {
  fc.assert(
    fc.property(layers, fc.integer({ min: 0, max: KEYS - 1 }), fc.integer({ min: 1, max: 120 }), (all, i, at) => {
      const map = LayerMap.of(all);
      for (const imagesTo of [at, Math.max(0, at - 7)])
        expect(LayerMap.search(map, keyAt(i), LsnOf.of(at), LsnOf.of(imagesTo))).toEqual(
          naiveSearch(all, keyAt(i), LsnOf.of(at), LsnOf.of(imagesTo)),
        );
    }),
  );
});

it('M1, M3: insertion and removal in any order lead to the same map, and leave the former one as it was', () => {
  fc.assert(
    fc.property(layers, fc.array(fc.nat(), { maxLength: 5 }), fc.integer({ min: 1, max: 120 }), (all, picks, at) => {
      const removed = picks.flatMap((pick) => (all.length === 0 ? [] : [all[pick % all.length]!]));
      const kept = all.filter((layer) => !removed.includes(layer));
      const before = LayerMap.of(all);
      const searchAll = (map: LayerMap) =>
        Array.from({ length: KEYS }, (_, i) => LayerMap.search(map, keyAt(i), LsnOf.of(at)));
      const answers = searchAll(before);
      const after = LayerMap.remove(before, removed);
      expect(searchAll(after)).toEqual(searchAll(LayerMap.of(kept)));
      expect(searchAll(LayerMap.insert(after, [...new Set(removed)]))).toEqual(answers);
      expect(searchAll(before)).toEqual(answers);
    }),
  );
});

it('a layer survives its name', () => {
  fc.assert(
    fc.property(layers, (all) => {
      for (const layer of all) expect(parseLayerName(layerName(layer), layer.sizeBytes)).toEqual(layer);
    }),
  );
});
