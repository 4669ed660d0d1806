/** What the archive does, counted and logged. */
import type { ArchiveEvents, Safekeeper } from '@neon/safekeeper-core';
import { type Logger, counter, gauge } from '@neon/telemetry';

const named = (name: string, description: string) => ({
  component: 'safekeeper',
  name: `neon_safekeeper_${name}`,
  description,
});

const archivedSegments = counter(named('archived_segments', 'Segments of WAL put into the archive by this safekeeper'));
const archivedBytes = counter(named('archived_bytes', 'WAL put into the archive by this safekeeper'));
const fetchedSegments = counter(named('archive_fetched_segments', 'Segments read back from the archive for readers'));
const damagedObjects = counter(
  named('archive_damaged_objects', 'Objects found to be missing, or not to be what they should be'),
);
const archiveErrors = counter(named('archive_errors', 'Work with the archive that failed, and is done again'));
const offloads = counter(named('offloads', 'Timelines that were idle, and whose WAL is in the archive alone since'));
const restores = counter(named('restores', 'Timelines that came back from the archive'));

/** The archive is away for as long as it is: the log says so once, and when it works again. */
export function archiveEvents(logger: Logger): ArchiveEvents {
  let reason: string | undefined;
  const works = (): void => {
    if (reason !== undefined) logger.info('archive works again');
    reason = undefined;
  };
  return {
    archived(sizeBytes) {
      archivedSegments(1);
      archivedBytes(sizeBytes);
      works();
    },
    fetched() {
      fetchedSegments(1);
      works();
    },
    damaged(name, what) {
      damagedObjects(1);
      logger.error({ object: name, what }, 'object of the archive damaged');
    },
    failed(error) {
      archiveErrors(1);
      if (reason !== error.message)
        logger.warn({ error: error.message }, 'archive failed: WAL is kept, and tried again');
      reason = error.message;
    },
    offloaded(name) {
      offloads(1);
      logger.info({ tail: name }, 'timeline offloaded');
    },
    restored(name) {
      restores(1);
      logger.info({ tail: name }, 'timeline came back from the archive');
    },
  };
}

export function observeArchive(safekeeper: Safekeeper): void {
  gauge(named('archive_lag_bytes', 'WAL that is committed and not in the archive: the worst timeline'), () =>
    safekeeper.timelines.reduce(
      (most, { state, archivedLsn }) => (archivedLsn === null ? most : Math.max(most, state.commitLsn - archivedLsn)),
      0,
    ),
  );
  gauge(
    named('timelines_offloaded', 'Timelines whose WAL is in the archive alone'),
    () => safekeeper.timelines.filter(({ isOffloaded }) => isOffloaded).length,
  );
}
