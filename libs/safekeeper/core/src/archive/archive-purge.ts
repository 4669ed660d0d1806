/**
 * Removes what the archive has of a deleted timeline.
 *
 *   AP1  It begins once the timeline's tombstone is durable, and is taken up again after a restart until it is done.
 *   AP2  It may be done twice, and by several safekeepers at once.
 */
import type { ArchiveWork, WorkDone } from './archive-queue';
import type { WalArchive } from './wal-archive';

export interface ArchivePurgeOptions {
  readonly archive: WalArchive;
  readonly prefix: string;
  /** Nothing is left: it is not taken up again. */
  purged(): Promise<void>;
}

/** What an object store deletes with one request. */
const BATCH_COUNT = 1000;

export class ArchivePurge implements ArchiveWork {
  constructor(private readonly options: ArchivePurgeOptions) {}

  async step(): Promise<WorkDone> {
    const { archive, prefix, purged } = this.options;
    const names: string[] = [];
    for await (const name of archive.list(prefix)) {
      names.push(name);
      if (names.length === BATCH_COUNT) break;
    }
    if (names.length > 0) await archive.remove(names);
    const more = names.length === BATCH_COUNT;
    if (!more) await purged();
    return { more, putBytes: 0 };
  }
}
