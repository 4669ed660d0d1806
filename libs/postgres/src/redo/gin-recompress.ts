/**
 * Redo of changes to the posting lists of a posting tree leaf (ginRedoRecompress): segments inserted, replaced, deleted,
 * or given more tuple ids; all others stay as they are.
 */
import { Corrupt, copyOf } from '@neon/kernel';
import type { Piece } from '../page/bufpage';
import {
  GIN_DATA_AT,
  GinFlag,
  ginDataSize,
  ginFlags,
  ginMaxOffset,
  setGinDataSize,
  setGinFlags,
  setGinMaxOffset,
} from '../page/gin-page';
import { decodeSegment, encodeSegment, mergeTids, readTids, segmentSize } from '../page/gin-posting-list';
import { ITEM_POINTER_SIZE } from '../page/item-pointer';
import { readU16 } from '../page/little-endian';
import { pageSpecial } from '../page/page-header';

const Action = { DELETE: 1, INSERT: 2, REPLACE: 3, ADD_ITEMS: 4 } as const;

/**
 * @param actions ginxlogRecompressDataLeaf: nactions, and for each the segment's number, what to do, and a segment
 *   (INSERT, REPLACE) or a count of tuple ids and the ids (ADD_ITEMS)
 */
export function recompressLeaf(page: Uint8Array, actions: Piece): void {
  compressLegacyLeaf(page);
  const old = copyOf(page.subarray(GIN_DATA_AT, GIN_DATA_AT + checkedDataSize(page)));
  const output = new LeafWriter(page);
  const { bytes } = actions;
  const end = actions.offset + actions.length;
  let at = actions.offset;
  const take = (size: number): number => {
    if (at + size > end) throw new Corrupt('changes of GIN posting lists end early');
    at += size;
    return at - size;
  };
  let oldAt = 0;
  let segment = 0;
  for (let count = readU16(bytes, take(2)); count > 0; count--) {
    const target = bytes[take(1)] as number;
    const action = bytes[take(1)] as number;
    if (target < segment) throw new Corrupt(`GIN posting list ${target} is changed after ${segment}`);
    for (; segment < target; segment++) {
      const size = segmentSize(old, oldAt, old.length);
      output.append(old.subarray(oldAt, oldAt + size));
      oldAt += size;
    }
    const oldSize = action === Action.INSERT ? 0 : segmentSize(old, oldAt, old.length);
    if (action === Action.INSERT || action === Action.REPLACE) {
      const size = segmentSize(bytes, at, end);
      output.append(bytes.subarray(at, at + size));
      at += size;
    } else if (action === Action.ADD_ITEMS) {
      const itemCount = readU16(bytes, take(2));
      const added = readTids(bytes, at, { count: itemCount, end });
      output.append(encodeSegment(mergeTids(added, decodeSegment(old, oldAt, old.length))));
      at += itemCount * ITEM_POINTER_SIZE;
    } else if (action !== Action.DELETE) {
      throw new Corrupt(`unknown change ${action} of a GIN posting list`);
    }
    oldAt += oldSize;
    if (action !== Action.INSERT) segment++;
  }
  output.append(old.subarray(oldAt));
  setGinDataSize(page, output.size);
}

function checkedDataSize(page: Uint8Array): number {
  const size = ginDataSize(page);
  if (size < 0) throw new Corrupt('a GIN leaf without room for its right bound');
  return size;
}

class LeafWriter {
  size = 0;
  constructor(private readonly page: Uint8Array) {}

  append(segments: Uint8Array): void {
    const at = GIN_DATA_AT + this.size;
    if (at + segments.length > pageSpecial(this.page)) throw new Corrupt('GIN posting lists do not fit their page');
    this.page.set(segments, at);
    this.size += segments.length;
  }
}

/** A leaf from before Postgres 9.4 holds plain tuple ids, counted by maxoff. */
function compressLegacyLeaf(page: Uint8Array): void {
  if (ginFlags(page) & GinFlag.COMPRESSED) return;
  const count = ginMaxOffset(page);
  const tids = readTids(page, GIN_DATA_AT, { count, end: pageSpecial(page) });
  const segment = count > 0 ? encodeSegment(tids) : new Uint8Array(0);
  setGinDataSize(page, segment.length);
  page.set(segment, GIN_DATA_AT);
  setGinFlags(page, ginFlags(page) | GinFlag.COMPRESSED);
  setGinMaxOffset(page, 0);
}
