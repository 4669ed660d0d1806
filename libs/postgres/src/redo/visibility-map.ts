/**
 * Changes of visibility map pages that a record does not name.
 *
 *   V1  A heap record that cleared all-visible or all-frozen clears the bits of its heap block. Since 17.11 and 18.6 a record
 *       names the map page when a bit was really set, and that page is then a block like any other; else it is implied, and
 *       the map page keeps its LSN.
 *   V2  Truncating a relation clears the bits of the blocks that are gone on the last map page that stays.
 */
import { writeU16 } from '../page/little-endian';
import { PAGE_HEADER_SIZE } from '../page/page-header';
import {
  HEAP_BLOCKS_PER_MAP_BLOCK,
  VISIBILITY_BITS,
  VisibilityBit,
  clearVisibilityBits,
  visibilityMapBlock,
} from '../page/visibility-map';
import { Fork, type BlockReference, type RelationId, type WalRecord } from '../wal/record';
import { Rmgr } from '../wal/rmgr';
import type { Change, PageDelta } from './change';
import { DeltaKind, readEntry } from './delta';

interface Cleared {
  readonly block: BlockReference;
  readonly bits: number;
}

const CLEAR_ENTRY_SIZE = 3;
const HEAP_BLOCKS_PER_BYTE = 4;

/** The byte of a record's main data that holds its flags, by the operation bits of xl_info. */
const HEAP_FLAGS_AT: Readonly<Partial<Record<number, number>>> = { 0x00: 2, 0x10: 7, 0x20: 7, 0x40: 7, 0x60: 7 };
const HEAP2_FLAGS_AT: Readonly<Partial<Record<number, number>>> = { 0x50: 0, 0x60: 7 };
const OPERATION_MASK = 0x70;
const UPDATE = 0x20;
const HOT_UPDATE = 0x40;
const LOCK = 0x60;

const FIRST_CLEARED = 1;
const UPDATE_NEW_CLEARED = 2;

/** V1 */
export function visibilityChanges(record: WalRecord, changes: Change[]): void {
  const operation = record.info & OPERATION_MASK;
  const flagsAt = (record.rmid === Rmgr.HEAP ? HEAP_FLAGS_AT : HEAP2_FLAGS_AT)[operation];
  if (flagsAt === undefined || flagsAt >= record.mainLength) return;
  const flags = record.bytes[record.mainOffset + flagsAt] as number;
  if ((flags & (FIRST_CLEARED | UPDATE_NEW_CLEARED)) === 0) return;
  const [first, second] = clearedBlocks(record, operation, flags);
  if (first === undefined) return;
  if (second !== undefined && mapBlockOf(second) === mapBlockOf(first)) {
    clearUnnamed(record, changes, [first, second]);
  } else {
    clearUnnamed(record, changes, [first]);
    if (second !== undefined) clearUnnamed(record, changes, [second]);
  }
}

const mapBlockOf = ({ block }: Cleared): number => visibilityMapBlock(block.block);

/** Bits of one map block, unless the record names that block. */
function clearUnnamed(record: WalRecord, changes: Change[], cleared: readonly [Cleared, ...Cleared[]]): void {
  const mapBlock = mapBlockOf(cleared[0]);
  for (const block of record.blocks) if (block.fork === Fork.VISIBILITY_MAP && block.block === mapBlock) return;
  changes.push(mapDelta(cleared[0].block.relation, mapBlock, clearDelta(cleared)));
}

/** LOCK and LOCK_UPDATED clear all-frozen alone; an update has one flag for the old tuple's block, one for the new one's. */
function clearedBlocks(record: WalRecord, operation: number, flags: number): Cleared[] {
  const [first, second] = record.blocks.filter((block) => block.fork === Fork.MAIN);
  if (first === undefined) return [];
  const isUpdate = record.rmid === Rmgr.HEAP && (operation === UPDATE || operation === HOT_UPDATE);
  if (!isUpdate) {
    const bits = operation === LOCK ? VisibilityBit.ALL_FROZEN : VISIBILITY_BITS;
    return (flags & FIRST_CLEARED) === 0 ? [] : [{ block: first, bits }];
  }
  const cleared: Cleared[] = [];
  if ((flags & UPDATE_NEW_CLEARED) !== 0) cleared.push({ block: first, bits: VISIBILITY_BITS });
  if ((flags & FIRST_CLEARED) !== 0) cleared.push({ block: second ?? first, bits: VISIBILITY_BITS });
  return cleared;
}

function clearDelta(cleared: readonly Cleared[]): Uint8Array {
  const delta = new Uint8Array(1 + cleared.length * CLEAR_ENTRY_SIZE);
  delta[0] = DeltaKind.VM_CLEAR;
  cleared.forEach(({ block, bits }, i) => {
    const at = 1 + i * CLEAR_ENTRY_SIZE;
    writeU16(delta, at, block.block % HEAP_BLOCKS_PER_MAP_BLOCK);
    delta[at + 2] = bits;
  });
  return delta;
}

const mapDelta = (relation: RelationId, block: number, delta: Uint8Array): PageDelta => ({
  kind: 'page-delta',
  page: { kind: 'relation', relation, fork: Fork.VISIBILITY_MAP, block },
  willInit: false,
  delta,
});

/** V2: the map of a relation that keeps `heapBlocks` blocks. */
export function mapTruncation(relation: RelationId, heapBlocks: number): Change[] {
  const block = visibilityMapBlock(heapBlocks);
  const inMap = heapBlocks % HEAP_BLOCKS_PER_MAP_BLOCK;
  const truncate = (blockCount: number): Change => ({
    kind: 'relation-truncate',
    relation,
    fork: Fork.VISIBILITY_MAP,
    blockCount,
  });
  if (inMap === 0) return [truncate(block)];
  const delta = new Uint8Array(3);
  delta[0] = DeltaKind.VM_TRUNCATE;
  writeU16(delta, 1, inMap);
  return [truncate(block + 1), { ...mapDelta(relation, block, delta), ifPresent: true }];
}

export function applyVmClear(page: Uint8Array, delta: Uint8Array): void {
  for (let at = 1; at < delta.length; at += CLEAR_ENTRY_SIZE)
    clearVisibilityBits(
      page,
      readEntry(delta, at, HEAP_BLOCKS_PER_MAP_BLOCK),
      (delta[at + 2] as number) & VISIBILITY_BITS,
    );
}

export function applyVmTruncate(page: Uint8Array, delta: Uint8Array): void {
  const firstGone = readEntry(delta, 1, HEAP_BLOCKS_PER_MAP_BLOCK);
  const at = PAGE_HEADER_SIZE + Math.floor(firstGone / HEAP_BLOCKS_PER_BYTE);
  const keptBits = (firstGone % HEAP_BLOCKS_PER_BYTE) * 2;
  page[at] = (page[at] as number) & ((1 << keptBits) - 1);
  page.fill(0, at + 1);
}
