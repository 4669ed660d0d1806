/**
 * Reads many keys of a timeline at one LSN: plans as far as it can, loads the missing pieces together, goes on.
 *
 *   G1  Every piece of a file is loaded at most once for one read, whatever the cache throws out meanwhile.
 *   G2  When everything is in memory, nothing is awaited.
 *   G3  To list the keys of a range costs as much as it has keys, however many versions they have: a relation's size has one
 *       for each page it grew by.
 */
import { type Lsn, Lsn as LsnOf } from '@neon/kernel';
import { type Key, type KeyRange, compareKeys, rangeHolds, rangesMeet } from '../key/key';
import { Block } from '../layer/block';
import { LayerIndex } from '../layer/layer-file';
import { LayerMap } from '../layer/layer-map';
import { type BlockCache, INDEX_PIECE, type Piece, type PieceAddress } from './block-cache';
import { type FindPiece, type KeyRead, type TimelineView, beginRead, planRead } from './key-read';

const LSN_MAX = LsnOf.of(Number.MAX_SAFE_INTEGER);

export class Reader {
  constructor(private readonly cache: BlockCache) {}

  async read(keys: readonly Key[], lsn: Lsn, view: TimelineView): Promise<KeyRead[]> {
    const held = new Map<number, Piece>();
    const find = this.finder(held);
    const reads = keys.map((key) => beginRead(key, lsn, view));
    let waiting = reads;
    for (;;) {
      const wanted: PieceAddress[] = [];
      waiting = waiting.filter((read) => {
        const missing = planRead(read, find);
        if (missing !== null) wanted.push(missing);
        return missing !== null;
      });
      if (wanted.length === 0) return reads;
      for (const [id, piece] of await this.cache.load(wanted)) held.set(id, piece);
    }
  }

  /** As `read`, when it needs no file; null when it does. */
  readNow(keys: readonly Key[], lsn: Lsn, view: TimelineView): KeyRead[] | null {
    const find = this.finder(null);
    const reads: KeyRead[] = [];
    for (const key of keys) {
      const read = beginRead(key, lsn, view);
      if (planRead(read, find) !== null) return null;
      reads.push(read);
    }
    return reads;
  }

  /** Every key in the range that has any version in the view, in order; some may not exist at a given LSN. */
  async keysIn(range: KeyRange, view: TimelineView): Promise<Key[]> {
    const found: Key[] = [];
    for (let at: TimelineView | null = view; at !== null; at = at.ancestor?.view ?? null) {
      for (const layer of at.memory) found.push(...layer.keys(range));
      for (const layer of LayerMap.layers(at.map))
        if (rangesMeet(layer.range, range)) found.push(...(await this.keysOfLayer(range, { files: at.files, layer })));
    }
    found.sort(compareKeys);
    return found.filter((key, i) => i === 0 || compareKeys(found[i - 1] as Key, key) !== 0);
  }

  private async keysOfLayer(range: KeyRange, layer: Omit<PieceAddress, 'block'>): Promise<Key[]> {
    const index = await this.piece({ ...layer, block: INDEX_PIECE });
    if (!(index instanceof LayerIndex)) return [];
    const found: Key[] = [];
    let number = Math.max(0, index.findBlock(range.first.prefix, range.first.index, 0 as Lsn));
    while (number < index.blockCount) {
      if (compareKeys(index.place(number).firstKey, range.last) > 0) break;
      const block = await this.piece({ ...layer, block: number });
      if (!(block instanceof Block)) break;
      const keys = keysOfBlock(block);
      found.push(...keys.filter((key) => rangeHolds(range, key)));
      const last = keys[keys.length - 1];
      // G3: blocks up to the last that begins with this key hold nothing else.
      number = Math.max(number + 1, last === undefined ? 0 : index.findBlock(last.prefix, last.index, LSN_MAX));
    }
    return found;
  }

  private async piece(address: PieceAddress): Promise<Piece | undefined> {
    const id = this.cache.idOf(address.layer, address.block);
    return this.cache.find(id) ?? (await this.cache.load([address])).get(id);
  }

  private finder(held: ReadonlyMap<number, Piece> | null): FindPiece {
    return (address) => {
      const id = this.cache.idOf(address.layer, address.block);
      return held?.get(id) ?? this.cache.find(id);
    };
  }
}

/** Each key once. */
function keysOfBlock(block: Block): Key[] {
  const keys: Key[] = [];
  for (let i = 0; i < block.count;) {
    const key = block.keyAt(i);
    keys.push(key);
    i = Math.max(i, block.findLast(key.prefix, key.index, LSN_MAX)) + 1;
  }
  return keys;
}
