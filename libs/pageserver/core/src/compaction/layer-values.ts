/** All versions of a layer file in order, a few blocks at a time, past the cache: what is read once must not push out what is read often. */
import type { Layer } from '../layer/layer';
import { layerName } from '../layer/layer';
import {
  type Compression,
  LAYER_FOOTER_SIZE,
  LAYER_HEADER_SIZE,
  LayerIndex,
  checkLayerHeader,
  decodeLayerFooter,
  unpack,
  unpackBlock,
} from '../layer/layer-file';
import type { KeyedValue } from '../layer/value';
import type { TimelineFiles } from '../timeline/timeline-files';

const READ_SIZE = 256 * 1024;

export async function* layerValues(
  { files, compression }: { readonly files: TimelineFiles; readonly compression: Compression },
  layer: Layer,
): AsyncGenerator<KeyedValue[]> {
  const name = layerName(layer);
  checkLayerHeader(await files.read(name, { offset: 0, length: LAYER_HEADER_SIZE }));
  const footer = await files.read(name, { offset: layer.sizeBytes - LAYER_FOOTER_SIZE, length: LAYER_FOOTER_SIZE });
  const place = decodeLayerFooter(footer, layer.sizeBytes);
  const stored = await files.read(name, { offset: place.offset, length: place.storedSize });
  const index = new LayerIndex(unpack(stored, place, compression));
  for (let from = 0; from < index.blockCount;) {
    const first = index.place(from);
    let to = from + 1;
    let end = first.offset + first.storedSize;
    for (; to < index.blockCount; to++) {
      const next = index.place(to);
      if (next.offset + next.storedSize - first.offset > READ_SIZE) break;
      end = next.offset + next.storedSize;
    }
    const bytes = await files.read(name, { offset: first.offset, length: end - first.offset });
    for (let number = from; number < to; number++) {
      const at = index.place(number);
      const start = at.offset - first.offset;
      const block = unpackBlock(bytes.subarray(start, start + at.storedSize), at, compression);
      yield Array.from({ length: block.count }, (_, i) => ({ key: block.keyAt(i), ...block.valueAt(i) }));
    }
    from = to;
  }
}
