/**
 * Reads one timeline's WAL from the archive, where it is no longer on this disk.
 *
 *   AW1  What is returned is what was archived at that LSN: the object is whole, has its checksum, the size of a segment, and
 *        pages of that place. Else `Corrupt`, which names the object.
 *   AW2  Readers share what was fetched (`segment-cache.ts`); a piece that is returned does not hold on to the segment.
 */
import type { TimelineIdentity } from '@neon/consensus';
import { Corrupt, Lsn } from '@neon/kernel';
import { segmentName } from './archive-layout';
import { checkPages } from './segment-check';
import type { SegmentCache } from './segment-cache';
import type { ArchiveEvents, WalArchive } from './wal-archive';

export interface ArchivedWalOptions {
  readonly archive: WalArchive;
  readonly segments: SegmentCache;
  readonly events: Pick<ArchiveEvents, 'fetched' | 'damaged'>;
  readonly identity: TimelineIdentity;
  /** Where the timeline's own WAL begins. */
  readonly startLsn: Lsn;
}

export class ArchivedWal {
  constructor(private readonly options: ArchivedWalOptions) {}

  /** WAL from `lsn` on, at most `sizeMax` bytes, at least one. @throws Corrupt, Unavailable */
  async read(lsn: Lsn, sizeMax: number): Promise<Uint8Array> {
    const { identity, segments } = this.options;
    const offset = lsn % identity.walSegmentSize;
    const segmentLsn = Lsn.of(lsn - offset);
    const name = segmentName(identity, segmentLsn);
    const segment = await segments.read(name, identity.walSegmentSize, () => this.fetch(name, segmentLsn));
    const piece = segment.slice(offset, offset + sizeMax);
    if (offset + piece.length === segment.length) segments.finished(name);
    return piece;
  }

  /** AW1. */
  private async fetch(name: string, segmentLsn: Lsn): Promise<Uint8Array> {
    const { archive, identity, startLsn, events } = this.options;
    const bytes = await archive.get(name);
    if (bytes === null) return this.damaged(name, 'is missing in the archive');
    if (bytes.length !== identity.walSegmentSize)
      return this.damaged(name, `has ${bytes.length} bytes in the archive, not ${identity.walSegmentSize}`);
    try {
      checkPages(bytes, { identity, startLsn, segmentLsn });
    } catch (error) {
      return this.damaged(name, error instanceof Error ? error.message : String(error));
    }
    events.fetched(bytes.length);
    return bytes;
  }

  private damaged(name: string, what: string): never {
    this.options.events.damaged(name, what);
    throw new Corrupt(`${name} ${what}`);
  }
}
