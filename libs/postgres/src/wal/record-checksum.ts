/** The CRC-32C of a record: over what follows its header first, over the header up to the CRC itself last. */
import { type ViewedBytes, crc32cExtend, crc32cExtendViewed } from '@neon/kernel';
import { readU32 } from '../page/little-endian';
import { RECORD_HEADER_SIZE, RecordAt } from './layout';

export function recordChecksum(bytes: Uint8Array): number {
  const running = crc32cExtend(0xffff_ffff, bytes, RECORD_HEADER_SIZE, bytes.length);
  return (crc32cExtend(running, bytes, 0, RecordAt.crc) ^ 0xffff_ffff) >>> 0;
}

export const recordHasChecksum = (bytes: Uint8Array): boolean => recordChecksum(bytes) === readU32(bytes, RecordAt.crc);

/** The same of the record of `size` bytes that lies at `offset` within more of them, without a view of its own. */
export function placedRecordHasChecksum(
  viewed: ViewedBytes,
  { offset, size }: { readonly offset: number; readonly size: number },
): boolean {
  const running = crc32cExtendViewed(0xffff_ffff, viewed, offset + RECORD_HEADER_SIZE, offset + size);
  const sum = crc32cExtendViewed(running, viewed, offset, offset + RecordAt.crc) ^ 0xffff_ffff;
  return sum === viewed.view.getInt32(offset + RecordAt.crc, true);
}
