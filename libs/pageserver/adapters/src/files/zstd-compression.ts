/**
 * Zstandard from node:zlib, on the event loop in small portions: a block takes 60 µs to compress and 30 to decompress, and
 * handing it to the thread pool costs more of this thread's time than doing it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Corrupt } from '@neon/kernel';
import { Compression } from '@neon/pageserver-core';

const PARAMETERS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Blocks compressed between two turns of the event loop: half a millisecond of work. */
const BLOCKS_PER_TURN = 8;

export class ZstdCompression extends Compression {
  private blocks = 0;

  async compress(raw: Uint8Array): Promise<Uint8Array> {
    if (++this.blocks % BLOCKS_PER_TURN === 0) await nextTurn();
    return zstdCompressSync(raw, { ...PARAMETERS, chunkSize: raw.length + 1024 });
  }

  decompress(stored: Uint8Array, rawSize: number): Uint8Array {
    const raw = decompressExactly(stored, rawSize);
    if (raw === null) throw new Corrupt('a block does not decompress');
    return raw;
  }
}

/** Null when the frame is broken or of another size. */
export function decompressExactly(stored: Uint8Array, rawSize: number): Uint8Array | null {
  try {
    const raw = zstdDecompressSync(stored, { maxOutputLength: rawSize, chunkSize: Math.max(64, rawSize) });
    return raw.length === rawSize ? raw : null;
  } catch {
    return null;
  }
}

/** For full-page images that Postgres compressed with zstd. */
export const IMAGE_CODECS = {
  zstd(compressed: Uint8Array, size: number): Uint8Array {
    const raw = decompressExactly(compressed, size);
    if (raw === null) throw new Corrupt('a zstd page image does not decompress');
    return raw;
  },
};
