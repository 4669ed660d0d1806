/** Zstandard from node:zlib: compression in the thread pool, decompression at once (30 µs for a block). */
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import { Corrupt } from '@neon/kernel';
import { Compression } from '@neon/pageserver-core';

const PARAMETERS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export class ZstdCompression extends Compression {
  compress(raw: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      zstdCompress(raw, { ...PARAMETERS, chunkSize: raw.length + 1024 }, (error, stored) =>
        error === null ? resolve(stored) : reject(error),
      );
    });
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
