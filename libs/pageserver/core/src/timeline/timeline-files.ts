/**
 * The files of one timeline, as a port.
 *
 *   D1  When `finish`, `replace` or `link` has resolved, the content and the name survive a power failure.
 *   D2  `replace` is atomic: a crash leaves the content before or the content after.
 *   D3  A layer that was not finished leaves nothing that `list` names.
 */
export abstract class LayerWriter {
  abstract append(bytes: Uint8Array): Promise<void>;
  /** Makes the file durable under its name. */
  abstract finish(name: string): Promise<void>;
  /** Forgets what was written. */
  abstract abandon(): Promise<void>;
}

export abstract class TimelineFiles {
  abstract create(): Promise<LayerWriter>;
  /** Exactly `length` bytes. @throws Corrupt when the file is shorter or absent, Unavailable when it cannot be read now. */
  abstract read(name: string, range: { readonly offset: number; readonly length: number }): Promise<Uint8Array>;
  /** A small file as a whole; null when there is none. */
  abstract readWhole(name: string): Promise<Uint8Array | null>;
  abstract replace(name: string, content: Uint8Array): Promise<void>;
  abstract list(): Promise<string[]>;
  /** Absent is not an error. */
  abstract remove(name: string): Promise<void>;
}
