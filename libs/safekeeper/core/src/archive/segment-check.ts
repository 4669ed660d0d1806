/**
 * Whether bytes are the WAL that they should be, before they are put into the archive and after they were read from it: what
 * a disk has damaged must not become the only copy, nor an object under a wrong name be served.
 *
 *   CK1  Every page says that it is the one of its place, but for the empty ones that follow upon XLOG_SWITCH and those before
 *        the timeline's first WAL.
 *   CK2  Every record that begins in the segment, and ends in it, has its checksum and links to the one before.
 */
import type { TimelineIdentity } from '@neon/consensus';
import { Corrupt, Lsn, assert } from '@neon/kernel';
import {
  LONG_PAGE_HEADER_SIZE,
  type PostgresMajor,
  SHORT_PAGE_HEADER_SIZE,
  WAL_PAGE_SIZE,
  WalBoundaryTracker,
  checkPageHeader,
} from '@neon/postgres';

export interface SegmentPlace {
  readonly identity: TimelineIdentity;
  /** Where the timeline's own WAL begins. */
  readonly startLsn: Lsn;
  /** Where the segment begins. */
  readonly segmentLsn: Lsn;
}

/** In the page header: how much is left of a record that began on an earlier page. */
const REMAINING_AT = 16;

/** CK1. @throws Corrupt */
export function checkPages(bytes: Uint8Array, place: SegmentPlace): void {
  checkPagesAt(bytes, place, place.segmentLsn);
}

function checkPagesAt(bytes: Uint8Array, { identity, startLsn, segmentLsn }: SegmentPlace, bytesLsn: Lsn): void {
  const format = {
    major: identity.pgMajor as PostgresMajor,
    segmentSize: identity.walSegmentSize,
    systemId: identity.systemId,
  };
  const firstPageLsn = startLsn - (startLsn % WAL_PAGE_SIZE);
  for (let at = 0; at < bytes.length; at += WAL_PAGE_SIZE) {
    const pageLsn = Lsn.advance(bytesLsn, at);
    const header = bytes.subarray(at, at + LONG_PAGE_HEADER_SIZE);
    const isEmpty = pageLsn > segmentLsn && header.subarray(0, SHORT_PAGE_HEADER_SIZE).every((byte) => byte === 0);
    if (isEmpty || (pageLsn < firstPageLsn && pageLsn > segmentLsn)) continue;
    try {
      checkPageHeader(header, pageLsn, format);
    } catch (cause) {
      throw new Corrupt(`not WAL: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Takes a segment in pieces of whole pages, the last of which may end early. */
export class SegmentCheck {
  private tracker: WalBoundaryTracker | undefined;
  private lsn: Lsn;
  private firstRecordLsn: Lsn | undefined;

  constructor(private readonly place: SegmentPlace) {
    this.lsn = place.segmentLsn;
  }

  /** CK1, CK2. @throws Corrupt */
  push(bytes: Uint8Array): void {
    assert(this.lsn % WAL_PAGE_SIZE === 0, 'CK1: pieces are whole pages');
    checkPagesAt(bytes, this.place, this.lsn);
    this.firstRecordLsn ??= firstRecordLsn(bytes, this.place);
    const skipped = Math.max(0, this.firstRecordLsn - this.lsn);
    this.lsn = Lsn.advance(this.lsn, bytes.length);
    if (skipped >= bytes.length) return;
    const { pgMajor, walSegmentSize: segmentSize } = this.place.identity;
    this.tracker ??= new WalBoundaryTracker({
      major: pgMajor as PostgresMajor,
      segmentSize,
      startLsn: this.firstRecordLsn,
    });
    try {
      this.tracker.push(bytes.subarray(skipped));
    } catch (cause) {
      throw new Corrupt(`not WAL after ${Lsn.format(this.tracker.endLsn)}: ${messageOf(cause)}`, { cause });
    }
  }

  /** What was pushed is to end with the record that ends at `endLsn`. @throws Corrupt */
  finish(endLsn: Lsn): void {
    if ((this.tracker?.endLsn ?? this.firstRecordLsn) !== endLsn || this.lsn !== endLsn)
      throw new Corrupt(`does not end with the record that ends at ${Lsn.format(endLsn)}`);
  }
}

function firstRecordLsn(firstPage: Uint8Array, { segmentLsn, startLsn }: SegmentPlace): Lsn {
  if (startLsn > segmentLsn) return startLsn;
  const view = new DataView(firstPage.buffer, firstPage.byteOffset, firstPage.byteLength);
  let left = view.getUint32(REMAINING_AT, true);
  let at = LONG_PAGE_HEADER_SIZE;
  for (let room = WAL_PAGE_SIZE - at; left > room; room = WAL_PAGE_SIZE - SHORT_PAGE_HEADER_SIZE) {
    left -= room;
    at += room + SHORT_PAGE_HEADER_SIZE;
  }
  return Lsn.advance(segmentLsn, Math.ceil((at + left) / 8) * 8);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
