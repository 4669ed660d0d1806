/**
 * Which SLRU segments a truncation removes.
 *
 *   U1  Without `fromPage` (SlruMayDeleteSegment): those whose every page comes before the first page kept.
 *   U2  With it (PerformMembersTruncation): from its segment on, round the ring, up to the segment of the first page kept.
 */
import { SLRU_ENTRIES_PER_PAGE, SLRU_PAGES_PER_SEGMENT, type Slru, slruPageIsBefore } from '@neon/postgres';
import { segmentOf } from './fork-sizes';

export interface SlruTruncation {
  readonly firstPage: number;
  readonly fromPage?: number;
}

export function isTruncatedSegment(slru: Slru, segment: number, { firstPage, fromPage }: SlruTruncation): boolean {
  if (fromPage !== undefined) {
    const ring = segmentsOf(slru);
    const fromStart = (one: number): number => (one - segmentOf(fromPage) + ring) % ring;
    return fromStart(segment) < fromStart(segmentOf(firstPage));
  }
  const first = segment * SLRU_PAGES_PER_SEGMENT;
  const last = first + SLRU_PAGES_PER_SEGMENT - 1;
  return (
    slruPageIsBefore(slru, { page: first, than: firstPage }) && slruPageIsBefore(slru, { page: last, than: firstPage })
  );
}

/** Segments of an SLRU whose every entry has a 32-bit number; the last one may be short. */
const segmentsOf = (slru: Slru): number => segmentOf(Math.floor(0xffff_ffff / SLRU_ENTRIES_PER_PAGE[slru])) + 1;
