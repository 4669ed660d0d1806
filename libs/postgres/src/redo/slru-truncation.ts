/**
 * Which segments a `slru-truncate` change removes.
 *
 *   U1  Without `fromPage` (SlruMayDeleteSegment): those whose every page comes before the first page kept.
 *   U2  With it (PerformMembersTruncation): from its segment on, round the ring, up to the segment of the first page kept.
 */
import type { Slru } from './change';
import { SLRU_ENTRIES_PER_PAGE, SLRU_PAGES_PER_SEGMENT, slruPageIsBefore } from './slru';

export interface SlruTruncation {
  readonly firstPage: number;
  readonly fromPage?: number;
}

export const slruSegmentOf = (page: number): number => Math.floor(page / SLRU_PAGES_PER_SEGMENT);

export function isTruncatedSegment(slru: Slru, segment: number, { firstPage, fromPage }: SlruTruncation): boolean {
  if (fromPage !== undefined) {
    const ring = segmentCountOf(slru);
    const fromStart = (one: number): number => (one - slruSegmentOf(fromPage) + ring) % ring;
    return fromStart(segment) < fromStart(slruSegmentOf(firstPage));
  }
  const first = segment * SLRU_PAGES_PER_SEGMENT;
  const last = first + SLRU_PAGES_PER_SEGMENT - 1;
  return (
    slruPageIsBefore(slru, { page: first, than: firstPage }) && slruPageIsBefore(slru, { page: last, than: firstPage })
  );
}

/** Segments of an SLRU whose every entry has a 32-bit number; the last one may be short. */
const segmentCountOf = (slru: Slru): number => slruSegmentOf(Math.floor(0xffff_ffff / SLRU_ENTRIES_PER_PAGE[slru])) + 1;
