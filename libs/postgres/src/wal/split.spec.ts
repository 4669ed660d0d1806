/** F1, F2, D1, D2: every way to cut a stream, every place in a page for it to begin, every length to stop at. */
import { Lsn, SystemId } from '@neon/kernel';
import { WalBoundaryTracker } from './boundary-tracker';
import { WalDecoder } from './decoder';
import { WalEncoder, type EncodedWal } from './encoder';
import { LONG_PAGE_HEADER_SIZE, SHORT_PAGE_HEADER_SIZE, WAL_PAGE_SIZE } from './layout';
import { recordBytes } from './record';
import { recordHasChecksum } from './record-checksum';
import { Rmgr } from './rmgr';

const SEGMENT_SIZE = 2 * WAL_PAGE_SIZE;
/** Main data from nothing to more than a page, with the sizes around which headers and padding change. */
const SIZES = [0, 1, 7, 8, 100, 255, 256, 9000, 100, 5];

interface Stream {
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
  readonly records: readonly EncodedWal[];
}

/** The record with index `switchesAfter` is followed by an XLOG SWITCH. */
function streamAt(startLsn: Lsn, sizes: readonly number[], switchesAfter = -1): Stream {
  const systemId = SystemId.parse('7300000000000000001');
  const prevLsn = Lsn.of(startLsn - 64);
  const encoder = new WalEncoder({ major: 17, segmentSize: SEGMENT_SIZE, startLsn, prevLsn, systemId });
  const records = sizes.flatMap((size, i) => [
    encoder.append({ rmid: Rmgr.HEAP, info: 0, main: new Uint8Array(size).fill(i + 1) }),
    ...(i === switchesAfter ? [encoder.append({ rmid: Rmgr.XLOG, info: 0x40 })] : []),
  ]);
  return { startLsn, records, bytes: new Uint8Array(Buffer.concat(records.map(({ bytes }) => bytes))) };
}

const format = ({ startLsn }: Stream) => ({ major: 17, segmentSize: SEGMENT_SIZE, startLsn }) as const;

/** A decoder and a tracker side by side: how many records they found, and whether all were the ones that were written. */
class Reading {
  count = 0;
  right = true;
  private readonly decoder: WalDecoder;
  private readonly tracker: WalBoundaryTracker;

  constructor(private readonly stream: Stream) {
    this.decoder = new WalDecoder(format(stream));
    this.tracker = new WalBoundaryTracker(format(stream));
  }

  push(bytes: Uint8Array): void {
    const { decoder, stream } = this;
    decoder.push(bytes);
    for (let record = decoder.next(); record !== null; record = decoder.next()) {
      const written = stream.records[this.count++];
      if (written === undefined || written.recordLsn !== record.lsn || written.endLsn !== record.endLsn)
        this.right = false;
    }
    if (this.tracker.push(bytes) !== decoder.endLsn) this.right = false;
  }

  /** F2, D2: of the first `length` bytes, the records that are whole were found, and no more. */
  holdsAt(length: number): boolean {
    const { startLsn, records } = this.stream;
    const whole = records.filter(({ endLsn }) => endLsn - startLsn <= length).length;
    const endLsn = whole === 0 ? startLsn : records[whole - 1]!.endLsn;
    const { decoder } = this;
    const received = decoder.receivedLsn === startLsn + length;
    return this.right && this.count === whole && decoder.endLsn === endLsn && received;
  }
}

const START = Lsn.of(51 * SEGMENT_SIZE - 1000);

describe('a stream of records of many sizes and a switch of segments, one record over three pages and two segments', () => {
  const stream = streamAt(START, SIZES, 8);
  const { bytes } = stream;

  it('is what it says', () => {
    const across = (size: number): number[] =>
      stream.records.map(({ recordLsn, endLsn }) => Math.floor((endLsn - 1) / size) - Math.floor(recordLsn / size));
    expect(Math.max(...across(SEGMENT_SIZE))).toBe(1);
    expect(Math.max(...across(WAL_PAGE_SIZE))).toBe(2);
  });

  it('F1, F2, D2: cut in two anywhere, gives what is whole of the first part, then the rest', () => {
    const wrong: number[] = [];
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reading = new Reading(stream);
      reading.push(bytes.subarray(0, cut));
      const first = reading.holdsAt(cut);
      reading.push(bytes.subarray(cut));
      if (!first || !reading.holdsAt(bytes.length)) wrong.push(cut);
    }
    expect(wrong).toEqual([]);
  });

  it.each([1, 2, 3, 5, 8, 23, 24, 25, 40, 41, 1000, 8191, 8192, 8193, 16_384, 20_000])(
    'F1, F2: in pieces of %i bytes, gives each record when its last byte is here',
    (size) => {
      const reading = new Reading(stream);
      let holds = true;
      for (let at = 0; at < bytes.length; at += size) {
        reading.push(bytes.subarray(at, at + size));
        holds &&= reading.holdsAt(Math.min(at + size, bytes.length));
      }
      expect(holds).toBe(true);
    },
  );

  it('D4: gives the bytes that were written, however it was cut', () => {
    for (const size of [1, 1000, bytes.length]) {
      const decoder = new WalDecoder(format(stream));
      for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size));
      for (const { recordLsn } of stream.records) {
        const record = decoder.next()!;
        expect(record.lsn).toBe(recordLsn);
        expect(recordHasChecksum(recordBytes(record))).toBe(true);
      }
    }
  });
});

describe('a stream that begins anywhere in a page', () => {
  const PAGES = [51 * SEGMENT_SIZE, 51 * SEGMENT_SIZE + WAL_PAGE_SIZE];

  it('F1, F2: gives the same records, whole and byte by byte around every boundary', () => {
    const wrong: number[] = [];
    for (const page of PAGES) {
      const headerSize = page % SEGMENT_SIZE === 0 ? LONG_PAGE_HEADER_SIZE : SHORT_PAGE_HEADER_SIZE;
      for (let offset = 0; offset < WAL_PAGE_SIZE; offset += 8) {
        if (offset > 0 && offset < headerSize) continue;
        const stream = streamAt(Lsn.of(page + offset), [0, 300, 8200, 1]);
        const whole = new Reading(stream);
        whole.push(stream.bytes);
        if (!whole.holdsAt(stream.bytes.length) || !holdsNearBoundaries(stream)) wrong.push(page + offset);
      }
    }
    expect(wrong).toEqual([]);
  });
});

const NEAR = 48;

/** Single bytes around page boundaries and the ends of records, one piece in between. */
function holdsNearBoundaries(stream: Stream): boolean {
  const { bytes, startLsn, records } = stream;
  const boundaries = records.map(({ endLsn }) => endLsn - startLsn);
  for (let at = WAL_PAGE_SIZE - (startLsn % WAL_PAGE_SIZE); at < bytes.length; at += WAL_PAGE_SIZE) boundaries.push(at);
  const cuts = new Set<number>([bytes.length]);
  for (const boundary of boundaries)
    for (let at = boundary - NEAR; at <= boundary + NEAR; at++) if (at > 0 && at < bytes.length) cuts.add(at);
  const reading = new Reading(stream);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    reading.push(bytes.subarray(from, cut));
    if (!reading.holdsAt(cut)) return false;
    from = cut;
  }
  return true;
}
