/**
 * Committed WAL that was read from files lately, so that many readers of the same WAL cost one read of the file.
 *
 *   CH1  A block is read once as long as it is here, by however many readers at once.
 *   CH2  It holds at most `sizeMax` bytes of all timelines together; those least recently used go first.
 *   CH3  What could not be read is asked for again by the next reader.
 *
 * Only committed WAL comes here: it never changes.
 */
export interface CacheOwner {
  readonly cacheKey: number;
}

export interface BlockName {
  readonly owner: CacheOwner;
  readonly lsn: number;
  readonly size: number;
}

interface Block {
  readonly bytes: Promise<Uint8Array>;
  readonly size: number;
}

export class ReadCache {
  private readonly blocks = new Map<string, Block>();
  private size = 0;
  private ownerCount = 0;

  constructor(private readonly sizeMax: number) {}

  /** A name for one timeline as it is now; after opening it again it has another. */
  owner(): CacheOwner {
    return { cacheKey: this.ownerCount++ };
  }

  read({ owner, lsn, size }: BlockName, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const key = `${owner.cacheKey}/${lsn}`;
    const known = this.blocks.get(key);
    const block = known ?? { bytes: load(), size };
    // The order of the map is the order of use.
    this.blocks.delete(key);
    this.blocks.set(key, block);
    if (known !== undefined) return known.bytes;
    this.size += size;
    block.bytes.catch(() => this.drop(key, block));
    for (const [oldest, old] of this.blocks) {
      if (this.size <= this.sizeMax) break;
      this.drop(oldest, old);
    }
    return block.bytes;
  }

  private drop(key: string, block: Block): void {
    if (this.blocks.get(key) !== block) return;
    this.blocks.delete(key);
    this.size -= block.size;
  }
}
