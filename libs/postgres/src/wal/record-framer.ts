/**
 * Finds the records in a stream of WAL bytes: page headers, continuations, the padding after XLOG SWITCH.
 *
 *   F1  However the stream is cut into chunks, the same records are found at the same LSNs.
 *   F2  A record is found once every byte up to its `endLsn` has been pushed, padding included; never earlier.
 *   F3  Each byte is looked at once. A record that lies in one piece in a chunk is not copied; pieces of any other go to
 *       the sink, which may assemble them or merely sum them up.
 *   F4  Page headers, sizes, resource manager ids and the chain of previous LSNs are checked here; checksums by the sink.
 *       After an error the framer stays failed.
 *
 *   F5  A record that a crash cut off and that was overwritten later (XLP_FIRST_IS_OVERWRITE_CONTRECORD) is dropped. What
 *       follows is the XLOG/OVERWRITE_CONTRECORD that Postgres writes there first, with the previous LSN of the dropped one;
 *       `overwrittenLsn` is where that one began, to be compared with what the record says.
 */
import { Lsn, type ViewedBytes, viewedBytes } from '@neon/kernel';
import { readU16, readU32 } from '../page/little-endian';
import {
  LONG_PAGE_HEADER_SIZE,
  PageHeaderAt,
  PageInfo,
  RECORD_HEADER_SIZE,
  RECORD_SIZE_MAX,
  RMGR_INFO_MASK,
  RecordAt,
  SHORT_PAGE_HEADER_SIZE,
  WAL_PAGE_SIZE,
  alignRecord,
  viewU64,
} from './layout';
import { checkPageHeader, pageHeaderIsLong, walPageHeaderSize, type WalFormat } from './page-header';
import type { PostgresMajor } from './record';
import { CUSTOM_RMGR_SINCE, RMID_BUILT_IN_MAX, RMID_CUSTOM_MIN, Rmgr } from './rmgr';
import { WalError, type WalErrorReason } from './wal-error';

export interface WalStreamOptions extends WalFormat {
  /** A record boundary: the end of a record, which may be the beginning of a page or segment. */
  readonly startLsn: Lsn;
  /** Start of the record before `startLsn`, when known; otherwise the first record is only checked to point backwards. */
  readonly prevLsn?: Lsn;
}

/** Receives the records that do not lie in one piece. */
export interface RecordSink {
  /** A record of `size` bytes begins; `header` holds its first 24. */
  begin(header: Uint8Array, size: number): void;
  /** The next bytes of it. */
  append(bytes: Uint8Array, start: number, end: number): void;
}

const EMPTY = viewedBytes(new Uint8Array(0));
const XLOG_SWITCH = 0x40;
export const XLOG_OVERWRITE_CONTRECORD = 0xd0;

export class RecordFramer {
  readonly major: PostgresMajor;
  /** The record found last: where it is, and the chunk that holds it when it lies in one piece. */
  lsn: Lsn;
  endLsn: Lsn;
  size = 0;
  viewed: ViewedBytes = EMPTY;
  /** Offset of the record in `viewed`, or -1 when the sink received it. */
  offset = -1;
  /** F5: where the record began that was dropped in favour of this one; otherwise null. */
  overwrittenLsn: Lsn | null = null;

  private readonly queue: Uint8Array[] = [];
  private at = 0;
  /** LSN of `chunk[at]`, and how many bytes its page has left; 0 where a page header is due. */
  private position: number;
  private pageLeft: number;
  /** While behind this LSN, bytes are padding. */
  private skipTo = 0;
  /** Bytes of the current record so far; its first 24 are in `head`. */
  private have = 0;
  private currentSize = 0;
  private currentLsn = 0;
  private readonly headViewed = viewedBytes(new Uint8Array(RECORD_HEADER_SIZE));
  private readonly head = this.headViewed.bytes;
  private readonly pageHead = new Uint8Array(LONG_PAGE_HEADER_SIZE);
  private pageHeadHave = 0;
  private prevLsn: number;
  private timelineId = 0;
  /** F5: where the record began that was dropped before the current one, or -1. */
  private droppedLsn = -1;
  private failure: unknown = null;

  constructor(
    private readonly options: WalStreamOptions,
    private readonly sink: RecordSink,
  ) {
    const { startLsn, segmentSize, prevLsn } = options;
    const pageOffset = startLsn % WAL_PAGE_SIZE;
    const headerSize = walPageHeaderSize(startLsn - pageOffset, segmentSize);
    if (startLsn % 8 !== 0 || (pageOffset > 0 && pageOffset < headerSize))
      throw new RangeError(`no record can end at ${Lsn.format(startLsn)}`);
    if (segmentSize < WAL_PAGE_SIZE || segmentSize % WAL_PAGE_SIZE !== 0)
      throw new RangeError(`segment size ${segmentSize} is not a whole number of pages`);
    this.major = options.major;
    this.lsn = startLsn;
    this.endLsn = startLsn;
    this.position = startLsn;
    this.pageLeft = pageOffset === 0 ? 0 : WAL_PAGE_SIZE - pageOffset;
    this.prevLsn = prevLsn ?? -1;
  }

  private get chunk(): Uint8Array {
    return this.viewed.bytes;
  }

  /** LSN up to which bytes have been pushed. */
  get receivedLsn(): Lsn {
    let ahead = this.chunk.length - this.at;
    for (const chunk of this.queue) ahead += chunk.length;
    return (this.position + ahead) as Lsn;
  }

  push(bytes: Uint8Array): void {
    // A plain view, whatever Node hands over: slices of a Buffer are several times as dear.
    if (bytes.length > 0) this.queue.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** Whether another record is complete; it is then described by the public fields. @throws WalError */
  next(): boolean {
    if (this.failure !== null) throw this.failure;
    try {
      return this.advance();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Makes every further call throw: for whoever finds a record's content to be wrong. */
  fail(error: unknown): never {
    this.failure = error;
    throw error;
  }

  private advance(): boolean {
    for (;;) {
      if (this.at === this.chunk.length) {
        const chunk = this.queue.shift();
        if (chunk === undefined) return false;
        this.viewed = viewedBytes(chunk);
        this.at = 0;
      }
      if (this.skipTo > this.position) {
        if (this.skipPadding()) return true;
      } else if (this.pageLeft === 0) {
        this.takePageHeader();
      } else if (this.have === 0 && this.takeWhole()) {
        return true;
      } else if (this.takePiece()) {
        return true;
      }
    }
  }

  private consume(byteCount: number): void {
    this.at += byteCount;
    this.position += byteCount;
    this.pageLeft -= byteCount;
  }

  /** The common case: the record and its padding lie within this chunk and this page. */
  private takeWhole(): boolean {
    const { chunk, at } = this;
    const room = Math.min(chunk.length - at, this.pageLeft);
    if (room < RECORD_HEADER_SIZE) return false;
    const size = this.viewed.view.getUint32(at, true);
    if (size < RECORD_HEADER_SIZE || size > room) return false;
    const aligned = (size + 7) & ~7;
    if (aligned > room || isSwitch(chunk, at)) return false;
    this.currentLsn = this.position;
    this.checkHeader(this.viewed, at);
    this.offset = at;
    this.size = size;
    this.consume(aligned);
    this.found();
    return true;
  }

  private takePiece(): boolean {
    const room = Math.min(this.chunk.length - this.at, this.pageLeft);
    if (this.have < RECORD_HEADER_SIZE) {
      if (this.have === 0) this.currentLsn = this.position;
      const take = Math.min(RECORD_HEADER_SIZE - this.have, room);
      this.head.set(this.chunk.subarray(this.at, this.at + take), this.have);
      this.advanceRecord(take);
      if (this.have >= 4) this.checkSize(readU32(this.head, RecordAt.size));
      if (this.have < RECORD_HEADER_SIZE) return false;
      this.checkHeader(this.headViewed, 0);
      this.sink.begin(this.head, this.currentSize);
    } else {
      const take = Math.min(this.currentSize - this.have, room);
      this.sink.append(this.chunk, this.at, this.at + take);
      this.advanceRecord(take);
    }
    return this.have === this.currentSize && this.endRecord();
  }

  private advanceRecord(byteCount: number): void {
    this.have += byteCount;
    this.consume(byteCount);
  }

  /** All of the record is here; its padding perhaps not. */
  private endRecord(): boolean {
    this.skipTo = alignRecord(this.position);
    if (isSwitch(this.head, 0))
      this.skipTo = Math.ceil(this.skipTo / this.options.segmentSize) * this.options.segmentSize;
    if (this.skipTo > this.position) return false;
    return this.foundPieces();
  }

  private skipPadding(): boolean {
    this.consume(Math.min(this.skipTo - this.position, this.chunk.length - this.at));
    if (this.position < this.skipTo) return false;
    const pageOffset = this.position % WAL_PAGE_SIZE;
    this.pageLeft = pageOffset === 0 ? 0 : WAL_PAGE_SIZE - pageOffset;
    return this.foundPieces();
  }

  private foundPieces(): boolean {
    this.offset = -1;
    this.size = this.currentSize;
    this.have = 0;
    this.currentSize = 0;
    this.found();
    return true;
  }

  private found(): void {
    this.lsn = this.currentLsn as Lsn;
    this.endLsn = this.position as Lsn;
    this.prevLsn = this.currentLsn;
    this.overwrittenLsn = this.droppedLsn < 0 ? null : (this.droppedLsn as Lsn);
    this.droppedLsn = -1;
  }

  private takePageHeader(): void {
    const needed =
      this.pageHeadHave >= SHORT_PAGE_HEADER_SIZE && pageHeaderIsLong(this.pageHead)
        ? LONG_PAGE_HEADER_SIZE
        : SHORT_PAGE_HEADER_SIZE;
    const take = Math.min(needed - this.pageHeadHave, this.chunk.length - this.at);
    this.pageHead.set(this.chunk.subarray(this.at, this.at + take), this.pageHeadHave);
    this.pageHeadHave += take;
    this.at += take;
    this.position += take;
    if (this.pageHeadHave < needed) return;
    if (needed === SHORT_PAGE_HEADER_SIZE && pageHeaderIsLong(this.pageHead)) return;
    const pageLsn = (this.position - needed) as Lsn;
    if (!Number.isSafeInteger(pageLsn + WAL_PAGE_SIZE))
      throw new WalError('page-header', pageLsn, 'WAL goes on beyond the last LSN we know');
    checkPageHeader(this.pageHead, pageLsn, this.options);
    this.checkTimeline(pageLsn);
    this.checkContinuation(pageLsn);
    this.pageHeadHave = 0;
    this.pageLeft = WAL_PAGE_SIZE - needed;
  }

  private checkTimeline(pageLsn: Lsn): void {
    const timelineId = readU32(this.pageHead, PageHeaderAt.timelineId);
    if (timelineId < this.timelineId)
      throw new WalError('page-header', pageLsn, `timeline ${timelineId} after ${this.timelineId}`);
    this.timelineId = timelineId;
  }

  private checkContinuation(pageLsn: Lsn): void {
    const info = readU16(this.pageHead, PageHeaderAt.info);
    const remaining = readU32(this.pageHead, PageHeaderAt.remaining);
    if (this.have > 0 && (info & PageInfo.FIRST_IS_OVERWRITE) !== 0) {
      this.droppedLsn = this.currentLsn;
      this.have = 0;
      this.currentSize = 0;
    }
    const continues = (info & PageInfo.FIRST_IS_CONTINUATION) !== 0;
    if (continues !== this.have > 0)
      throw new WalError(
        'continuation',
        pageLsn,
        continues ? 'a record continues here that did not begin' : 'a record does not continue on its next page',
      );
    if (continues && remaining !== this.currentSize - this.have)
      throw new WalError(
        'continuation',
        pageLsn,
        `${remaining} bytes left of a record, not ${this.currentSize - this.have}`,
      );
  }

  private checkSize(size: number): void {
    this.currentSize = size;
    if (size === 0) this.reject('end-of-wal', 'no record begins here');
    if (size < RECORD_HEADER_SIZE || size > RECORD_SIZE_MAX) this.reject('record-length', `record of ${size} bytes`);
  }

  private checkHeader({ bytes, view }: ViewedBytes, at: number): void {
    const rmid = bytes[at + RecordAt.rmid] as number;
    if (rmid > RMID_BUILT_IN_MAX && (rmid < RMID_CUSTOM_MIN || this.major < CUSTOM_RMGR_SINCE))
      this.reject('resource-manager', `resource manager ${rmid} does not exist`);
    const prevLsn = viewU64(view, at + RecordAt.prevLsn);
    const linked = this.prevLsn < 0 ? prevLsn < this.currentLsn : prevLsn === this.prevLsn;
    if (!linked) this.reject('previous-link', `record says the one before it is at ${prevLsn.toString(16)}`);
    if (this.droppedLsn >= 0 && !isXlog(bytes, at, XLOG_OVERWRITE_CONTRECORD))
      this.reject('continuation', 'a record was overwritten, and this one does not say so');
  }

  private reject(reason: WalErrorReason, message: string): never {
    throw new WalError(reason, this.currentLsn as Lsn, message);
  }
}

const isXlog = (bytes: Uint8Array, at: number, operation: number): boolean =>
  bytes[at + RecordAt.rmid] === Rmgr.XLOG && ((bytes[at + RecordAt.info] as number) & RMGR_INFO_MASK) === operation;

const isSwitch = (bytes: Uint8Array, at: number): boolean => isXlog(bytes, at, XLOG_SWITCH);
