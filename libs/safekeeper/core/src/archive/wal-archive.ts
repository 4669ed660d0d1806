/**
 * Where WAL outlives the safekeepers, as a port: objects that are put and read as a whole.
 *
 *   WA1  When `put` or `remove` has resolved it has happened, for everybody, and survives a power failure.
 *   WA2  `get` returns what was put, its checksum compared, or throws `Corrupt`.
 *   WA3  An archive that cannot be reached is `Unavailable`, never an absent object.
 *   WA4  After `Unavailable`, what was asked for may have happened or not; it may be asked for again.
 */
export abstract class WalArchive {
  /** Null when there is no such object. @throws Unavailable */
  abstract sizeOf(name: string): Promise<number | null>;
  /** In place of what has this name. @throws Unavailable */
  abstract put(name: string, bytes: Uint8Array): Promise<void>;
  /** Null when there is no such object. @throws Corrupt, Unavailable */
  abstract get(name: string): Promise<Uint8Array | null>;
  /** @throws Unavailable */
  abstract list(prefix: string): AsyncIterable<string>;
  /** Harmless where there is none. @throws Unavailable */
  abstract remove(names: readonly string[]): Promise<void>;
}

/** What the archive does, for whoever counts and logs it. */
export interface ArchiveEvents {
  archived(sizeBytes: number): void;
  /** Read back for readers. */
  fetched(sizeBytes: number): void;
  /** An object is missing, or has another size, where one was told to be. */
  damaged(name: string, what: string): void;
  /** A request failed, and is made again. */
  failed(error: Error): void;
  offloaded(name: string | undefined): void;
  restored(name: string | undefined): void;
}
