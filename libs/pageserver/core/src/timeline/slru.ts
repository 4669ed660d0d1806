/** Which SLRU segments a truncation removes (SlruMayDeleteSegment): those whose every page comes before the first page kept. */
import { SLRU_PAGES_PER_SEGMENT, type Slru, slruPageIsBefore } from '@neon/postgres';

export function slruSegmentPrecedes(slru: Slru, segment: number, firstPage: number): boolean {
  const first = segment * SLRU_PAGES_PER_SEGMENT;
  const last = first + SLRU_PAGES_PER_SEGMENT - 1;
  return (
    slruPageIsBefore(slru, { page: first, than: firstPage }) && slruPageIsBefore(slru, { page: last, than: firstPage })
  );
}
