/** The one line that asks a person to look at a timeline that stopped. */
import { Lsn } from '@neon/kernel';
import type { StopCause, Timeline } from '@neon/pageserver-core';
import type { Logger } from '@neon/telemetry';
import { nameOf } from './wal/wal-receiver';

export function logStop(logger: Logger, timeline: Timeline, { reason, error }: StopCause): void {
  const origin = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const stack = origin instanceof Error ? origin.stack : undefined;
  logger.error(
    { ...nameOf(timeline), lastRecordLsn: Lsn.format(timeline.lastRecordLsn), reason, stack },
    'timeline stopped',
  );
}
