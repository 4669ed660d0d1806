/**
 * Which of a timeline's safekeepers puts its WAL into the archive, so that not all of them do.
 *
 *   LE1  Nothing but work depends on it: two that put the same segment put the same bytes, and where nobody does, each one does
 *        after a while (`timeline-archive.ts`).
 *   LE2  It is decided by what each has told lately: those who are heard and have most of the log. Of several the one whose
 *        mixture with the timeline's id is highest, so that timelines spread over safekeepers; ties by id.
 *   LE3  Who does it already goes on until it is silent or far behind. That it does it is told to all, so that no two wait for
 *        each other.
 *
 * @example archiveLeader(timelineId, candidates, nowMs) // 2
 */
import { type Lsn, type SafekeeperId, type TimelineId, crc32c } from '@neon/kernel';

export interface ArchiveCandidate {
  readonly safekeeperId: SafekeeperId;
  readonly commitLsn: Lsn;
  /** It says that it does it. */
  readonly isArchiving: boolean;
  readonly heardMs: number;
}

/** Status of a timeline is told every 5 s at least. */
export const SILENCE_MS_MAX = 15_000;
/** One that is further behind than this does not begin, */
export const BEGIN_LAG_BYTES_MAX = 16 * 1024 * 1024;
/** and one that is further behind than this does not go on. */
export const CONTINUE_LAG_BYTES_MAX = 8 * BEGIN_LAG_BYTES_MAX;

/** Undefined when nobody is heard. */
export function archiveLeader(
  timelineId: TimelineId,
  candidates: readonly ArchiveCandidate[],
  nowMs: number,
): SafekeeperId | undefined {
  const heard = candidates.filter(({ heardMs }) => nowMs - heardMs <= SILENCE_MS_MAX);
  const mostLsn = heard.reduce((most, { commitLsn }) => Math.max(most, commitLsn), 0);
  const within = (lagMax: number) => heard.filter(({ commitLsn }) => mostLsn - commitLsn <= lagMax);
  const archiving = within(CONTINUE_LAG_BYTES_MAX).filter(({ isArchiving }) => isArchiving);
  return first(timelineId, archiving.length > 0 ? archiving : within(BEGIN_LAG_BYTES_MAX));
}

function first(timelineId: TimelineId, candidates: readonly ArchiveCandidate[]): SafekeeperId | undefined {
  const weighed = candidates.map(({ safekeeperId }) => ({ safekeeperId, weight: weightOf(timelineId, safekeeperId) }));
  weighed.sort((a, b) => b.weight - a.weight || a.safekeeperId - b.safekeeperId);
  return weighed[0]?.safekeeperId;
}

const weightOf = (timelineId: TimelineId, safekeeperId: SafekeeperId): number =>
  crc32c(new TextEncoder().encode(`${timelineId}/${safekeeperId}`));
