/**
 * Tuple ids (storage/itemptr.h): six bytes, the block number as two shorts with the high one first, then an offset number.
 */
import { readU16, writeU16 } from './little-endian';

export const ITEM_POINTER_SIZE = 6;

/** Offset numbers with a meaning instead of a place (access/htup_details.h, storage/itemptr.h). */
export const SPECULATIVE_OFFSET_NUMBER = 0xfffe;
export const MOVED_PARTITIONS_OFFSET_NUMBER = 0xfffd;

export const pointerBlock = (bytes: Uint8Array, at: number): number =>
  ((readU16(bytes, at) << 16) | readU16(bytes, at + 2)) >>> 0;

export const pointerOffsetNumber = (bytes: Uint8Array, at: number): number => readU16(bytes, at + 4);

export function setPointerBlock(bytes: Uint8Array, at: number, block: number): void {
  writeU16(bytes, at, block >>> 16);
  writeU16(bytes, at + 2, block & 0xffff);
}

export const setPointerOffsetNumber = (bytes: Uint8Array, at: number, offsetNumber: number): void =>
  writeU16(bytes, at + 4, offsetNumber);

export interface ItemPointer {
  readonly block: number;
  readonly offsetNumber: number;
}

export function writeItemPointer(bytes: Uint8Array, at: number, { block, offsetNumber }: ItemPointer): void {
  setPointerBlock(bytes, at, block);
  setPointerOffsetNumber(bytes, at, offsetNumber);
}
