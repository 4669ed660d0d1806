/**
 * The visibility map (access/visibilitymap.c): two bits for each heap block, all-visible (1) and all-frozen (2).
 *
 *   V1  Heap block b has its bits on map block `visibilityMapBlock(b)`, four blocks a byte, lowest bits first.
 */
import { PAGE_HEADER_SIZE, PAGE_SIZE } from './page-header';

export const VisibilityBit = { ALL_VISIBLE: 1, ALL_FROZEN: 2 } as const;
export const VISIBILITY_BITS = VisibilityBit.ALL_VISIBLE | VisibilityBit.ALL_FROZEN;

const HEAP_BLOCKS_PER_BYTE = 4;
/** Heap blocks that one map block covers. */
export const HEAP_BLOCKS_PER_MAP_BLOCK = (PAGE_SIZE - PAGE_HEADER_SIZE) * HEAP_BLOCKS_PER_BYTE;

export const visibilityMapBlock = (heapBlock: number): number => Math.floor(heapBlock / HEAP_BLOCKS_PER_MAP_BLOCK);

const byteAt = (heapBlock: number): number =>
  PAGE_HEADER_SIZE + Math.floor((heapBlock % HEAP_BLOCKS_PER_MAP_BLOCK) / HEAP_BLOCKS_PER_BYTE);
const shift = (heapBlock: number): number => (heapBlock % HEAP_BLOCKS_PER_BYTE) * 2;

export const visibilityBits = (map: Uint8Array, heapBlock: number): number =>
  ((map[byteAt(heapBlock)] as number) >>> shift(heapBlock)) & VISIBILITY_BITS;

/** Returns whether any of the bits were set. */
export function clearVisibilityBits(map: Uint8Array, heapBlock: number, bits: number): boolean {
  const at = byteAt(heapBlock);
  const mask = bits << shift(heapBlock);
  const byte = map[at] as number;
  map[at] = byte & ~mask;
  return (byte & mask) !== 0;
}

export function setVisibilityBits(map: Uint8Array, heapBlock: number, bits: number): void {
  const at = byteAt(heapBlock);
  map[at] = (map[at] as number) | (bits << shift(heapBlock));
}
