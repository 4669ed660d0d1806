/**
 * Runs a compaction job: merges L0 layers into L1 layers, and makes images of keys that have earned them.
 *
 *   C1  The L1 layers hold exactly the versions of the inputs. Readers see no difference.
 *   C2  Nothing is named by the index before it is durable; a crash in between leaves the inputs in charge.
 *   C3  A page that cannot be made gets no image and keeps its deltas: the rest is compacted all the same.
 *   C4  An attempt that failed leaves no files behind.
 *   C5  Work is cut into blocks; other requests run in between.
 *   C6  A branch is left as it is while an ancestor ingests again what was branched from it: its images would lack that for good.
 */
import type { Lsn } from '@neon/kernel';
import { type Key, Kind, compareKeys, kindOf, sameKey } from '../key/key';
import { LayerBuilder } from '../layer/layer-builder';
import { type Layer, layerName } from '../layer/layer';
import { type KeyedValue, isBase } from '../layer/value';
import type { Timeline } from '../timeline/timeline';
import { layerValues } from './layer-values';
import type { CompactionJob, CompactionLimits } from './plan-compaction';

/** Images materialized at once. */
const IMAGE_BATCH = 64;

export async function compact(timeline: Timeline, job: CompactionJob, limits: CompactionLimits): Promise<void> {
  const first = job.inputs[0];
  const last = job.inputs[job.inputs.length - 1];
  if (first === undefined || last === undefined || !timeline.hasAncestry) return;
  const range = { startLsn: first.startLsn, endLsn: last.endLsn };
  const outputs = new LayerSequence(timeline, limits.layerSizeTarget, { kind: 'delta', ...range });
  const images = new LayerSequence(timeline, limits.layerSizeTarget, {
    kind: 'image',
    startLsn: last.endLsn,
    endLsn: last.endLsn,
  });
  await timeline.replaceLayers(
    job.inputs,
    await written(outputs, images, () => merge(timeline, job, { limits, outputs, images, imageLsn: last.endLsn })),
  );
}

/** C4. Once the index may name them, nothing removes the files: a replaced index whose durability is in doubt may count. */
async function written(
  outputs: LayerSequence,
  images: LayerSequence,
  write: () => Promise<void>,
): Promise<readonly Layer[]> {
  try {
    await write();
    return [...(await outputs.finish()), ...(await images.finish())];
  } catch (error) {
    await outputs.abandon();
    await images.abandon();
    throw error;
  }
}

interface MergeTargets {
  readonly limits: CompactionLimits;
  readonly outputs: LayerSequence;
  readonly images: LayerSequence;
  readonly imageLsn: Lsn;
}

async function merge(timeline: Timeline, job: CompactionJob, targets: MergeTargets): Promise<void> {
  const { limits, outputs, images, imageLsn } = targets;
  let key: Key | null = null;
  let deltas = 0;
  let batch: Key[] = [];
  const flushImages = async (): Promise<void> => {
    const wanted = batch;
    batch = [];
    const pages = await timeline.imagesAt(wanted, imageLsn);
    for (const [i, page] of pages.entries()) {
      const at = wanted[i];
      if (at !== undefined && page !== null) await images.add({ key: at, lsn: imageLsn, kind: 0, bytes: page });
    }
  };
  const keyEnded = async (): Promise<void> => {
    const isPage = key !== null && (kindOf(key.prefix) === Kind.RELATION_PAGE || kindOf(key.prefix) === Kind.SLRU_PAGE);
    if (key === null || !isPage || deltas < (job.imageAll ? 1 : limits.deltasPerKey)) return;
    batch.push(key);
    if (batch.length >= IMAGE_BATCH) await flushImages();
  };
  for await (const value of mergedValues(timeline, job.inputs)) {
    if (key === null || !sameKey(key, value.key)) {
      await keyEnded();
      key = value.key;
      deltas = 0;
    }
    deltas = isBase(value.kind) && value.kind === 0 ? 0 : deltas + 1;
    await outputs.add(value);
  }
  await keyEnded();
  await flushImages();
}

/** Versions of several layers in one order; layers are given oldest first, so equal keys stay in LSN order. */
async function* mergedValues(timeline: Timeline, layers: readonly Layer[]): AsyncGenerator<KeyedValue> {
  const heads: { values: AsyncIterator<KeyedValue[]>; batch: KeyedValue[]; at: number }[] = [];
  for (const layer of layers) {
    const values = layerValues(timeline.storage, layer)[Symbol.asyncIterator]();
    const next = await values.next();
    if (next.done !== true) heads.push({ values, batch: next.value, at: 0 });
  }
  for (;;) {
    let least: (typeof heads)[number] | undefined;
    let leastValue: KeyedValue | undefined;
    for (const head of heads) {
      const value = head.batch[head.at];
      if (value !== undefined && (leastValue === undefined || compareKeys(value.key, leastValue.key) < 0)) {
        least = head;
        leastValue = value;
      }
    }
    if (least === undefined || leastValue === undefined) return;
    yield leastValue;
    if (++least.at < least.batch.length) continue;
    const next = await least.values.next();
    if (next.done === true) heads.splice(heads.indexOf(least), 1);
    else {
      least.batch = next.value;
      least.at = 0;
    }
  }
}

/** Layers written one after the other, cut at keys when they reach their size. */
class LayerSequence {
  private builder: LayerBuilder | null = null;
  private readonly finished: Layer[] = [];

  constructor(
    private readonly timeline: Timeline,
    private readonly sizeTarget: number,
    private readonly description: Pick<Layer, 'kind' | 'startLsn' | 'endLsn'>,
  ) {}

  async add(value: KeyedValue): Promise<void> {
    const { builder } = this;
    if (
      builder !== null &&
      builder.rawBytes >= this.sizeTarget &&
      builder.lastKey !== null &&
      !sameKey(builder.lastKey, value.key)
    )
      await this.close();
    this.builder ??= new LayerBuilder(await this.timeline.storage.files.create(), this.timeline.storage.compression);
    if (this.builder.add(value)) await this.builder.drain();
  }

  async finish(): Promise<readonly Layer[]> {
    await this.close();
    return this.finished;
  }

  async abandon(): Promise<void> {
    await this.builder?.abandon();
    this.builder = null;
    for (const layer of this.finished.splice(0)) await this.timeline.storage.files.remove(layerName(layer));
  }

  private async close(): Promise<void> {
    if (this.builder === null) return;
    const sequence = this.timeline.takeSequence();
    const layer = await this.builder.finish({ ...this.description, level: 1, sequence });
    this.builder = null;
    if (layer !== null) this.finished.push(layer);
  }
}
