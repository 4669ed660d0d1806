/**
 * Which layers to rewrite, and why.
 *
 *   P1  L0 layers pile up until there are enough; then the oldest contiguous run becomes L1 layers, cut by key, of the same
 *       LSN range. Younger L0 layers are left alone.
 *   P2  A key gets an image at the run's end when, since its last image, more than a bound of its deltas, or deltas in more
 *       than a bound of layers, would have to be read.
 */
import type { Layer } from '../layer/layer';
import { LayerMap } from '../layer/layer-map';

export interface CompactionLimits {
  /** L0 layers that start a compaction. */
  readonly level0Count: number;
  /** L0 layers in one job: bounds what it reads at once. */
  readonly level0CountMax: number;
  /** Raw bytes after which an L1 layer is closed at the next key. */
  readonly layerSizeTarget: number;
  /** Deltas on one key that earn it an image. */
  readonly deltasPerKey: number;
  /** L1 layers over a key range, without an image layer between, that earn its changed keys images. */
  readonly deltaLayers: number;
}

export const DEFAULT_COMPACTION: CompactionLimits = {
  level0Count: 4,
  level0CountMax: 8,
  layerSizeTarget: 128 * 1024 * 1024,
  deltasPerKey: 8,
  deltaLayers: 3,
};

export interface CompactionJob {
  /** Oldest first, contiguous in LSN. */
  readonly inputs: readonly Layer[];
  /** Whether every changed key gets an image, not only those with many deltas. */
  readonly imageAll: boolean;
}

/** @param force compact whatever L0 there is */
export function planCompaction(
  map: LayerMap,
  limits: CompactionLimits,
  { force }: { force: boolean },
): CompactionJob[] {
  const level0 = map.deltas.layers.filter((layer) => layer.level === 0);
  if (level0.length < (force ? 1 : limits.level0Count)) return [];
  const inputs = level0.slice(0, limits.level0CountMax);
  const newestImage = Math.max(-1, ...map.images.layers.map((layer) => layer.startLsn));
  const layersSince = new Set(
    map.deltas.layers.filter((layer) => layer.level === 1 && layer.endLsn > newestImage).map((layer) => layer.endLsn),
  );
  return [{ inputs, imageAll: layersSince.size + 1 >= limits.deltaLayers }];
}
