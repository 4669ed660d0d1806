/**
 * Finding the versions of one key that its content at an LSN is made of.
 *
 *   R1  Versions are collected newest first: open and frozen memory, then layers as the map names them, then the ancestor
 *       at the ancestor LSN. The first image, or delta that needs nothing below, ends the search.
 *   R2  A page of a copied database that has no such version since the copy is looked up in the database it was copied
 *       from, at the LSN of the copy. What a database of the same id held before is not seen.
 *   R3  `planRead` never waits: it goes as far as the loaded pieces reach and names the piece that it needs next.
 */
import { type Lsn, Lsn as LsnOf } from '@neon/kernel';
import { type DatabaseId, type Key, Kind, type Prefix, databaseOf, inDatabase, kindOf } from '../key/key';
import { Block } from '../layer/block';
import { type KeyHash, keyHash } from '../layer/bloom';
import { LayerIndex } from '../layer/layer-file';
import { LayerMap, type LayerToRead } from '../layer/layer-map';
import type { MemoryLayer } from '../layer/memory-layer';
import { type Value, isBase } from '../layer/value';
import type { TimelineFiles } from '../timeline/timeline-files';
import { INDEX_PIECE, type Piece, type PieceAddress } from './block-cache';

/** What a reader sees of a timeline: a value that stays as it is while ingest and compaction go on. */
export interface TimelineView {
  /** Newest first. */
  readonly memory: readonly MemoryLayer[];
  readonly map: LayerMap;
  readonly files: TimelineFiles;
  readonly ancestor: { readonly view: TimelineView; readonly lsn: Lsn } | null;
  /** Databases made as copies in this timeline or, before the branch point, in its ancestors. */
  readonly copies: readonly DatabaseCopy[];
}

export interface DatabaseCopy {
  readonly target: DatabaseId;
  readonly source: DatabaseId;
  readonly lsn: Lsn;
}

export interface KeyRead {
  readonly key: Key;
  readonly lsn: Lsn;
  /** Newest first. */
  readonly values: Value[];
  /** The last of `values` stands on its own. */
  complete: boolean;
  /** From which of `values` on they were made for a page of another database: R2. */
  readonly borrowed: { readonly from: number; readonly prefix: Prefix }[];
  view: TimelineView;
  prefix: Prefix;
  hash: KeyHash;
  /** Versions above it are collected. */
  at: Lsn;
  /** Images above it were looked into. */
  imagesTo: Lsn;
  /** Where the search of `view` began. */
  startAt: Lsn;
  memorySearched: boolean;
  /** The copy that made the database being looked in: nothing at or below its LSN counts there. */
  copy: DatabaseCopy | null;
  readonly root: TimelineView;
}

export type FindPiece = (address: PieceAddress) => Piece | undefined;

export const beginRead = (key: Key, lsn: Lsn, view: TimelineView): KeyRead => ({
  key,
  lsn,
  values: [],
  complete: false,
  borrowed: [],
  view,
  prefix: key.prefix,
  hash: keyHash(key.prefix, key.index),
  at: lsn,
  imagesTo: lsn,
  startAt: lsn,
  memorySearched: false,
  copy: copyBeneath(view, key.prefix, lsn),
  root: view,
});

/** Goes on with a read. Null: it is finished. */
export function planRead(read: KeyRead, find: FindPiece): PieceAddress | null {
  for (;;) {
    if (!read.memorySearched) {
      searchMemory(read);
      if (read.complete) return null;
    }
    const key = { prefix: read.prefix, index: read.key.index };
    const isAtCopy = read.copy !== null && read.at <= read.copy.lsn;
    const next = isAtCopy ? null : LayerMap.search(read.view.map, key, read.at, read.imagesTo);
    if (next === null) {
      if (!descend(read)) return null;
      continue;
    }
    const address = { files: read.view.files, layer: next.layer };
    const index = find({ ...address, block: INDEX_PIECE });
    if (!(index instanceof LayerIndex)) return { ...address, block: INDEX_PIECE };
    const missing = searchLayer(read, index, next.floor, (block) => find({ ...address, block }));
    if (missing !== null) return { ...address, block: missing };
    if (read.complete) return null;
    goBelow(read, next);
  }
}

function searchMemory(read: KeyRead): void {
  read.memorySearched = true;
  const copyLsn = read.copy?.lsn ?? -1;
  for (const layer of read.view.memory) {
    layer.visit(read.prefix, read.key.index, read.at, (value) => {
      if (value.lsn <= copyLsn) return false;
      read.values.push(value);
      read.complete = isBase(value.kind);
      return !read.complete;
    });
    if (read.complete) return;
  }
}

/** Collects the versions in (floor, at] of one layer; or answers the block that must be loaded first, having done nothing. */
function searchLayer(
  read: KeyRead,
  index: LayerIndex,
  floor: Lsn,
  find: (block: number) => Piece | undefined,
): number | null {
  const { prefix, at } = read;
  const newest = index.findBlock(prefix, read.key.index, at);
  if (newest < 0 || !index.mayHold(newest, read.hash)) return null;
  const copyLsn = read.copy?.lsn ?? -1;
  const before = read.values.length;
  for (let number = newest; number >= 0; number--) {
    const block = find(number);
    if (!(block instanceof Block)) {
      read.values.length = before;
      return number;
    }
    for (let i = block.findLast(prefix, read.key.index, at); i >= 0; i--) {
      if (!block.isKey(i, prefix, read.key.index)) return null;
      const value = block.valueAt(i);
      if (value.lsn <= floor || value.lsn <= copyLsn) return null;
      read.values.push(value);
      if (isBase(value.kind)) {
        read.complete = true;
        return null;
      }
    }
  }
  return null;
}

/** A layer that did not end the search is behind us: an image layer lacked the key, a delta layer is read to its floor. */
function goBelow(read: KeyRead, { layer, floor }: LayerToRead): void {
  if (layer.kind === 'delta') read.at = floor;
  read.imagesTo = LsnOf.min(read.imagesTo, floor);
}

/** Moves to what lies beneath the timeline in view; false at the bottom. */
function descend(read: KeyRead): boolean {
  const { ancestor } = read.view;
  const isCopiedHere = ancestor !== null && read.copy !== null && read.copy.lsn > ancestor.lsn;
  if (ancestor !== null && !isCopiedHere) {
    enter(read, ancestor.view, LsnOf.min(read.startAt, ancestor.lsn));
    return true;
  }
  const { copy } = read;
  if (copy === null) return false;
  read.prefix = inDatabase(read.prefix, copy.source);
  read.hash = keyHash(read.prefix, read.key.index);
  read.borrowed.push({ from: read.values.length, prefix: read.prefix });
  // Each step goes to an earlier copy, so that a chain of copies ends.
  read.copy = copyBeneath(read.root, read.prefix, (copy.lsn - 1) as Lsn);
  enter(read, read.root, copy.lsn);
  return true;
}

function enter(read: KeyRead, view: TimelineView, at: Lsn): void {
  read.view = view;
  read.at = at;
  read.startAt = at;
  read.imagesTo = at;
  read.memorySearched = false;
}

/** The newest copy at or below an LSN that made the database of a page. */
function copyBeneath({ copies }: TimelineView, prefix: Prefix, lsn: Lsn): DatabaseCopy | null {
  if (copies.length === 0 || kindOf(prefix) !== Kind.RELATION_PAGE) return null;
  const { tablespaceOid, databaseOid } = databaseOf(prefix);
  let found: DatabaseCopy | null = null;
  for (const copy of copies)
    if (
      copy.target.databaseOid === databaseOid &&
      copy.target.tablespaceOid === tablespaceOid &&
      copy.lsn <= lsn &&
      (found === null || copy.lsn > found.lsn)
    )
      found = copy;
  return found;
}
