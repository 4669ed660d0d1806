/**
 * The header of an index tuple (access/itup.h): a tuple id and t_info, whose low 13 bits are the tuple's size.
 */
import { Corrupt } from '@neon/kernel';
import { readU16, writeU16 } from './little-endian';

export const INDEX_TUPLE_HEADER_SIZE = 8;

const INFO_AT = 6;
const SIZE_MASK = 0x1fff;
/** INDEX_AM_RESERVED_BIT: its meaning is the access method's. */
export const INDEX_AM_RESERVED_BIT = 0x2000;

export const indexTupleInfo = (bytes: Uint8Array, at: number): number => readU16(bytes, at + INFO_AT);
export const setIndexTupleInfo = (bytes: Uint8Array, at: number, info: number): void =>
  writeU16(bytes, at + INFO_AT, info);

export const indexTupleSize = (bytes: Uint8Array, at: number): number => readU16(bytes, at + INFO_AT) & SIZE_MASK;
export const setIndexTupleSize = (bytes: Uint8Array, at: number, size: number): void =>
  writeU16(bytes, at + INFO_AT, (readU16(bytes, at + INFO_AT) & ~SIZE_MASK) | size);

/** The size of a tuple that must lie before `end`. @throws Corrupt when it does not, or is shorter than its header. */
export function checkedTupleSize(bytes: Uint8Array, at: number, end: number): number {
  if (at + INDEX_TUPLE_HEADER_SIZE > end) throw new Corrupt('no room for the header of an index tuple');
  const size = indexTupleSize(bytes, at);
  if (size < INDEX_TUPLE_HEADER_SIZE || at + size > end)
    throw new Corrupt(`an index tuple of ${size} bytes does not fit`);
  return size;
}
