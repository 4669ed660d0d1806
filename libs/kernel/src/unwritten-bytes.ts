/**
 * Bytes that are put together where they are kept, and not before: they are written once, and need no array of their own.
 *
 *   U1  `writeTo` writes `length` bytes, and nothing beside them.
 */
export interface UnwrittenBytes {
  readonly length: number;
  /** Writes them to `target`, from `at` on, where there is room for them. */
  writeTo(target: Uint8Array, at: number): void;
}

export function writeBytes(source: Uint8Array | UnwrittenBytes, target: Uint8Array, at: number): void {
  if ('writeTo' in source) source.writeTo(target, at);
  else target.set(source, at);
}

/** Bytes as they are, or written into an array of their own. */
export function bytesOf(source: Uint8Array | UnwrittenBytes): Uint8Array {
  if (!('writeTo' in source)) return source;
  const bytes = new Uint8Array(source.length);
  source.writeTo(bytes, 0);
  return bytes;
}
