/**
 * The parts of a record that redo functions read: where main data and block data begin, checked for length once, after
 * which fields are read at fixed distances.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import type { Piece } from '../page/bufpage';
import { readU16 } from '../page/little-endian';
import type { BlockReference, WalRecord } from '../wal/record';

/** Where the record's main data begins in its bytes. @throws Corrupt when there are fewer than `size` bytes of it. */
export function mainData(record: WalRecord, size: number): number {
  if (record.mainLength < size)
    throw new Corrupt(`record at ${Lsn.format(record.lsn)} has ${record.mainLength} bytes of main data, not ${size}`);
  return record.mainOffset;
}

/** Where a block's data begins in the record's bytes. @throws Corrupt when there are fewer than `size` bytes of it. */
export function blockData(record: WalRecord, block: BlockReference, size: number): number {
  if (block.dataLength < size)
    throw new Corrupt(
      `record at ${Lsn.format(record.lsn)} has ${block.dataLength} bytes of data for block ${block.id}, not ${size}`,
    );
  return block.dataOffset;
}

export const blockDataPiece = (record: WalRecord, block: BlockReference): Piece => ({
  bytes: record.bytes,
  offset: block.dataOffset,
  length: block.dataLength,
});

export function findBlock({ blocks }: WalRecord, id: number): BlockReference | undefined {
  // Ids mostly are positions.
  const block = blocks[id];
  return block?.id === id ? block : blocks.find((each) => each.id === id);
}

/** @throws Corrupt when the record does not refer to block `id`. */
export function requireBlock(record: WalRecord, id: number): BlockReference {
  const block = findBlock(record, id);
  if (block === undefined) throw new Corrupt(`record at ${Lsn.format(record.lsn)} lacks block reference ${id}`);
  return block;
}

/** An array of `count` shorts, mostly offset numbers. @throws Corrupt when it would reach beyond `end`. */
export function readU16Array(
  bytes: Uint8Array,
  at: number,
  { count, end }: { count: number; end: number },
): Uint16Array {
  if (at + count * 2 > end) throw new Corrupt(`${count} offset numbers do not fit ${end - at} bytes`);
  const values = new Uint16Array(count);
  for (let i = 0; i < count; i++) values[i] = readU16(bytes, at + i * 2);
  return values;
}
