/**
 * The layer map: which layer of a timeline to read for a key at an LSN.
 *
 *   M1  A layer never changes; the map changes only by `insert` and `remove`.
 *   M2  `search(map, key, at)` names the newest layer that may hold a version of `key` at or below `at`, and a floor: only
 *       the versions above it are to be read there; at the floor and below, another layer has the word.
 *   M3  A map is a value: a reader keeps the one it began with.
 *   M4  For each key, the LSN ranges of delta layers do not overlap, and image layers stand at different LSNs.
 *
 * A search takes O(log n): for each LSN at which a layer begins there is a `Coverage` of what lies on top there, sharing
 * structure with its neighbours. A layer inserted below the newest one rebuilds the coverages above it.
 *
 * @example LayerMap.search(map, key, Lsn.parse('0/30')) // { layer: the delta over (0/20, 0/28], floor: 0/20 }
 */
import type { Lsn } from '@neon/kernel';
import type { Key } from '../key/key';
import { type Coverage, EMPTY_COVERAGE, cover, coveringLayer } from './coverage';
import type { Layer } from './layer';

/** Layers of one kind in the order of `startLsn`, and the coverage after each. */
interface History {
  readonly layers: readonly Layer[];
  readonly coverages: readonly Coverage[];
}

export interface LayerMap {
  readonly deltas: History;
  readonly images: History;
}

export interface LayerToRead {
  readonly layer: Layer;
  /** Versions at or below this LSN are not to be taken from this layer. */
  readonly floor: Lsn;
}

const EMPTY_HISTORY: History = { layers: [], coverages: [] };

export const LayerMap = {
  EMPTY: { deltas: EMPTY_HISTORY, images: EMPTY_HISTORY } as LayerMap,

  of: (layers: readonly Layer[]): LayerMap => LayerMap.insert(LayerMap.EMPTY, layers),

  insert(map: LayerMap, layers: readonly Layer[]): LayerMap {
    const ofKind = (kind: Layer['kind']): Layer[] => layers.filter((layer) => layer.kind === kind);
    return { deltas: inserted(map.deltas, ofKind('delta')), images: inserted(map.images, ofKind('image')) };
  },

  remove(map: LayerMap, layers: readonly Layer[]): LayerMap {
    const gone = new Set(layers.map((layer) => layer.sequence));
    return { deltas: removed(map.deltas, gone), images: removed(map.images, gone) };
  },

  layers: (map: LayerMap): Layer[] => [...map.deltas.layers, ...map.images.layers],

  /** @param imagesTo images above it were looked into already */
  search(map: LayerMap, key: Key, at: Lsn, imagesTo: Lsn = at): LayerToRead | null {
    const image = newest(map.images, key, imagesTo);
    // A delta layer that begins at `at` holds only what is above it.
    const delta = newest(map.deltas, key, at - 1);
    if (delta !== null && (image === null || image.startLsn < Math.min(delta.endLsn, at)))
      return { layer: delta, floor: Math.max(delta.startLsn, image?.startLsn ?? 0) as Lsn };
    return image === null ? null : { layer: image, floor: (image.startLsn - 1) as Lsn };
  },
};

function newest(history: History, key: Key, startLsnMax: number): Layer | null {
  const position = countUpTo(history.layers, startLsnMax);
  return position === 0 ? null : coveringLayer(history.coverages[position - 1] ?? null, key);
}

/** How many layers begin at or below `startLsn`. */
function countUpTo(layers: readonly Layer[], startLsn: number): number {
  let low = 0;
  let high = layers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((layers[middle] as Layer).startLsn <= startLsn) low = middle + 1;
    else high = middle;
  }
  return low;
}

function inserted(history: History, added: readonly Layer[]): History {
  if (added.length === 0) return history;
  const first = added.reduce((least, layer) => Math.min(least, layer.startLsn), Infinity);
  const kept = countUpTo(history.layers, first - 1);
  const above = [...history.layers.slice(kept), ...added].sort(
    (a, b) => a.startLsn - b.startLsn || a.sequence - b.sequence,
  );
  return rebuilt(history, kept, above);
}

function removed(history: History, sequences: ReadonlySet<number>): History {
  const first = history.layers.findIndex((layer) => sequences.has(layer.sequence));
  if (first === -1) return history;
  return rebuilt(
    history,
    first,
    history.layers.slice(first).filter((layer) => !sequences.has(layer.sequence)),
  );
}

/** The first `kept` layers as they are, then `above`. */
function rebuilt(history: History, kept: number, above: readonly Layer[]): History {
  const coverages = history.coverages.slice(0, kept);
  let top = coverages[kept - 1] ?? EMPTY_COVERAGE;
  for (const layer of above) coverages.push((top = cover(top, layer.range, layer)));
  return { layers: [...history.layers.slice(0, kept), ...above], coverages };
}
