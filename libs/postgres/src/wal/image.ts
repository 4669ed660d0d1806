/**
 * The page that a record carries whole (RestoreBlockImage): its hole filled with zeros, its compression undone.
 *
 *   I1  The result is what the page was when the record was written; its page LSN is the one from before the record.
 */
import { PAGE_SIZE } from '../page/page-header';
import { decompressLz4 } from './lz4';
import { decompressPglz } from './pglz';
import type { BlockReference, WalRecord } from './record';
import { WalError } from './wal-error';

/** Decoders this library does not bring along. */
export interface ImageCodecs {
  /** Decompresses a zstd frame to exactly `size` bytes; throws when it is broken. */
  readonly zstd?: (compressed: Uint8Array, size: number) => Uint8Array;
}

export interface RestoreOptions extends ImageCodecs {
  /** Where to put the page, 8192 bytes; a new array unless given. */
  readonly into?: Uint8Array;
}

/** @throws WalError when the image is broken, or compressed by a method without a decoder. */
export function restoreImage(record: WalRecord, block: BlockReference, options: RestoreOptions = {}): Uint8Array {
  const { image } = block;
  if (image === null) throw new WalError('image', record.lsn, `block ${block.id} has no image`);
  const page = options.into ?? new Uint8Array(PAGE_SIZE);
  const { holeOffset, holeLength } = image;
  const source = record.bytes.subarray(image.offset, image.offset + image.length);
  if (image.compression === 'none') {
    page.set(source.subarray(0, holeOffset));
    page.set(source.subarray(holeOffset), holeOffset + holeLength);
  } else {
    const kept = PAGE_SIZE - holeLength;
    if (!DECOMPRESS[image.compression]({ source, page, kept, codecs: options, record, block }))
      throw new WalError('image', record.lsn, `${image.compression} image of block ${block.id} is broken`);
    page.copyWithin(holeOffset + holeLength, holeOffset, kept);
  }
  page.fill(0, holeOffset, holeOffset + holeLength);
  return page;
}

interface Compressed {
  readonly source: Uint8Array;
  readonly page: Uint8Array;
  /** Bytes of the page besides the hole. */
  readonly kept: number;
  readonly codecs: ImageCodecs;
  readonly record: WalRecord;
  readonly block: BlockReference;
}

const DECOMPRESS = {
  pglz: ({ source, page, kept }: Compressed) => decompressPglz(source, { bytes: page, start: 0, end: kept }),
  lz4: ({ source, page, kept }: Compressed) => decompressLz4(source, { bytes: page, start: 0, end: kept }),
  zstd({ source, page, kept, codecs, record, block }: Compressed): boolean {
    if (codecs.zstd === undefined)
      throw new WalError('image-compression', record.lsn, `no zstd decoder for the image of block ${block.id}`);
    let content: Uint8Array;
    try {
      content = codecs.zstd(source, kept);
    } catch {
      return false;
    }
    if (content.length !== kept) return false;
    page.set(content);
    return true;
  },
};
