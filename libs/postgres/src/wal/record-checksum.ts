/** The CRC-32C of a record: over what follows its header first, over the header up to the CRC itself last. */
import { crc32cExtend } from '@neon/kernel';
import { readU32 } from '../page/little-endian';
import { RECORD_HEADER_SIZE, RecordAt } from './layout';

export function recordChecksum(bytes: Uint8Array): number {
  const running = crc32cExtend(0xffff_ffff, bytes, RECORD_HEADER_SIZE, bytes.length);
  return (crc32cExtend(running, bytes, 0, RecordAt.crc) ^ 0xffff_ffff) >>> 0;
}

export const recordHasChecksum = (bytes: Uint8Array): boolean => recordChecksum(bytes) === readU32(bytes, RecordAt.crc);
