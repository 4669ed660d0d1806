/** What xlogreader.c checks before it believes a record, rule by rule (XLogReaderValidatePageHeader, ValidXLogRecordHeader). */
import { Lsn, SystemId } from '@neon/kernel';
import { WalBoundaryTracker } from './boundary-tracker';
import { WalDecoder } from './decoder';
import { describeRecord } from './describe';
import { WalEncoder, type RecordDraft } from './encoder';
import { LONG_PAGE_HEADER_SIZE, SHORT_PAGE_HEADER_SIZE, WAL_PAGE_SIZE } from './layout';
import { recordChecksum } from './record-checksum';
import type { PostgresMajor, WalRecord } from './record';
import { Rmgr } from './rmgr';
import type { WalError, WalErrorReason } from './wal-error';

const SEGMENT_SIZE = 4 * WAL_PAGE_SIZE;
const SYSTEM_ID = SystemId.parse('7300000000000000001');
const START = Lsn.of(100 * SEGMENT_SIZE);
const FIRST = Lsn.of(START + LONG_PAGE_HEADER_SIZE);

interface Written {
  readonly bytes: Buffer;
  readonly lsns: readonly Lsn[];
  readonly endLsn: Lsn;
}

interface WriteOptions {
  readonly startLsn?: Lsn;
  readonly prevLsn?: Lsn;
  readonly timelineId?: number;
  readonly major?: PostgresMajor;
  readonly segmentSize?: number;
}

function write(drafts: readonly RecordDraft[], options: WriteOptions = {}): Written {
  const { startLsn = START } = options;
  const defaults = { major: 17, segmentSize: SEGMENT_SIZE, startLsn, systemId: SYSTEM_ID } as const;
  const encoder = new WalEncoder({ ...defaults, prevLsn: Lsn.of(startLsn - 64), ...options });
  const written = drafts.map((draft) => encoder.append(draft));
  return {
    bytes: Buffer.concat(written.map(({ bytes }) => bytes)),
    lsns: written.map(({ recordLsn }) => recordLsn),
    endLsn: encoder.endLsn,
  };
}

const insert = (size: number): RecordDraft => ({ rmid: Rmgr.HEAP, info: 0, main: new Uint8Array(size).fill(size) });

interface ReadOptions {
  readonly startLsn?: Lsn;
  readonly prevLsn?: Lsn;
  readonly systemId?: SystemId;
  readonly major?: PostgresMajor;
  readonly segmentSize?: number;
}

interface Read {
  readonly records: readonly WalRecord[];
  readonly endLsn: Lsn;
  readonly error: WalError | null;
}

/** Reads all at once, and byte by byte: both must come to the same. */
function read(bytes: Uint8Array, options: ReadOptions = {}): Read {
  const format = { major: 17, segmentSize: SEGMENT_SIZE, startLsn: START, ...options } as const;
  const run = (size: number): Read => {
    const decoder = new WalDecoder(format);
    const records: WalRecord[] = [];
    try {
      for (let at = 0; at < bytes.length; at += size) {
        decoder.push(bytes.subarray(at, at + size));
        for (let record = decoder.next(); record !== null; record = decoder.next()) records.push(record);
      }
      return { records, endLsn: decoder.endLsn, error: null };
    } catch (error) {
      return { records, endLsn: decoder.endLsn, error: error as WalError };
    }
  };
  const [whole, single] = [run(bytes.length), run(1)];
  const plain = ({ records, endLsn, error }: Read) => [
    records.map(({ lsn }) => lsn),
    endLsn,
    error?.reason,
    error?.lsn,
  ];
  expect(plain(single)).toEqual(plain(whole));
  const tracker = new WalBoundaryTracker(format);
  try {
    tracker.push(bytes);
  } catch {
    // Its end is what counts.
  }
  expect(tracker.endLsn).toBeGreaterThanOrEqual(whole.endLsn);
  return whole;
}

const failure = (reason: WalErrorReason, lsn: Lsn) => expect.objectContaining({ name: 'Corrupt', reason, lsn });

const patch = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};
const fixChecksum = (bytes: Buffer, at: number): void => {
  const record = bytes.subarray(at, at + bytes.readUInt32LE(at));
  bytes.writeUInt32LE(recordChecksum(record), at + 20);
};

describe('the header of a page', () => {
  /** Three records, the second of which goes on on the second page. */
  const { bytes, lsns } = write([insert(100), insert(9000), insert(50)]);
  const SECOND = Lsn.of(START + WAL_PAGE_SIZE);

  it('is read when nothing is wrong with it', () => {
    expect(read(bytes, { systemId: SYSTEM_ID })).toMatchObject({ records: { length: 3 }, error: null });
  });

  it.each<[string, number, (copy: Buffer) => void]>([
    ['another magic', 0, (copy) => copy.writeUInt16LE(0xd113, 0)],
    ['flags that no server knows', 0, (copy) => copy.writeUInt16LE(0x12, 2)],
    ['the first page of a segment without a long header', 0, (copy) => copy.writeUInt16LE(0, 2)],
    ['another system', 0, (copy) => copy.writeBigUInt64LE(1n, 24)],
    ['segments of another size', 0, (copy) => copy.writeUInt32LE(16 << 20, 32)],
    ['pages of another size', 0, (copy) => copy.writeUInt32LE(4096, 36)],
    ['another address', 0, (copy) => copy.writeBigUInt64LE(BigInt(START - SEGMENT_SIZE), 8)],
    ['an address beyond 2^53', 0, (copy) => copy.writeBigUInt64LE(2n ** 63n + BigInt(START), 8)],
    ['timeline 0', 0, (copy) => copy.writeUInt32LE(0, 4)],
    ['another magic on the second page', WAL_PAGE_SIZE, (copy) => copy.writeUInt16LE(0, WAL_PAGE_SIZE)],
    [
      'another address on the second page',
      WAL_PAGE_SIZE,
      (copy) => copy.writeUInt32LE(SECOND - 8192, WAL_PAGE_SIZE + 8),
    ],
    ['a timeline before that of the page before', WAL_PAGE_SIZE, (copy) => copy.writeUInt32LE(7, 4)],
  ])('with %s is refused', (_name, at, change) => {
    const { error, endLsn } = read(patch(bytes, change), { systemId: SYSTEM_ID });
    expect(error).toEqual(failure('page-header', Lsn.of(START + at)));
    expect(endLsn).toBe(at === 0 ? START : lsns[1]);
  });

  it('may be long in the middle of a segment, and the timeline may change to a later one', () => {
    const long = write([insert(100), insert(7000)]);
    const rest = write([insert(30)], { startLsn: SECOND, timelineId: 4, prevLsn: long.lsns[1]! });
    const header = Buffer.alloc(LONG_PAGE_HEADER_SIZE);
    rest.bytes.copy(header, 0, 0, SHORT_PAGE_HEADER_SIZE);
    header.writeUInt16LE(2, 2);
    long.bytes.copy(header, 24, 24, 40);
    const filler = write([insert(WAL_PAGE_SIZE - (long.endLsn % WAL_PAGE_SIZE) - 32)], {
      startLsn: long.endLsn,
      prevLsn: long.lsns[1]!,
    });
    expect(filler.endLsn).toBe(SECOND);
    const record = patch(rest.bytes.subarray(SHORT_PAGE_HEADER_SIZE), (copy) => {
      copy.writeUInt32LE(filler.lsns[0]!, 8);
      fixChecksum(copy, 0);
    });
    const { records, error } = read(Buffer.concat([long.bytes, filler.bytes, header, record]));
    expect(error).toBeNull();
    expect(records[3]?.lsn).toBe(SECOND + LONG_PAGE_HEADER_SIZE);
  });

  it('beyond the last LSN we know is refused, not rounded', () => {
    const last = Lsn.of(Math.floor(Number.MAX_SAFE_INTEGER / SEGMENT_SIZE) * SEGMENT_SIZE);
    const stream = write([insert(10), insert(9000)], { startLsn: last });
    expect(read(stream.bytes, { startLsn: last }).records.map(({ lsn }) => lsn)).toEqual(stream.lsns);
    const lastPage = Lsn.of(Number.MAX_SAFE_INTEGER - WAL_PAGE_SIZE + 1);
    expect(read(new Uint8Array(100), { startLsn: lastPage }).error).toEqual(failure('page-header', lastPage));
  });
});

describe('the header of a record', () => {
  const { bytes, lsns } = write([insert(100), insert(100), insert(9000), insert(50)]);
  const second = lsns[1]! - START;

  it.each<[WalErrorReason, string, (copy: Buffer, at: number) => void]>([
    ['end-of-wal', 'zeros', (copy, at) => copy.fill(0, at)],
    ['record-length', 'a size below its header', (copy, at) => copy.writeUInt32LE(23, at)],
    ['record-length', 'a size of a gigabyte', (copy, at) => copy.writeUInt32LE(0x4000_0000, at)],
    ['resource-manager', 'a resource manager that is none', (copy, at) => copy.writeUInt8(22, at + 17)],
    ['resource-manager', 'one below those of extensions', (copy, at) => copy.writeUInt8(127, at + 17)],
    ['previous-link', 'another record before it', (copy, at) => copy.writeUInt32LE(FIRST - 8, at + 8)],
    ['previous-link', 'one beyond 2^53 before it', (copy, at) => copy.writeUInt32LE(0x8000_0000, at + 12)],
    ['checksum', 'another transaction', (copy, at) => copy.writeUInt32LE(77, at + 4)],
    ['checksum', 'another checksum', (copy, at) => copy.writeUInt32LE(77, at + 20)],
  ])('%s: with %s is refused', (reason, _name, change) => {
    const { error, endLsn } = read(patch(bytes, (copy) => change(copy, second)));
    expect(error).toEqual(failure(reason, lsns[1]!));
    expect(endLsn).toBe(lsns[1]);
  });

  it('of the first one need only point backwards, when nothing is known of the one before', () => {
    const first = FIRST - START;
    const pointing = (lsn: number): Read =>
      read(
        patch(bytes, (copy) => {
          copy.writeBigUInt64LE(BigInt(lsn), first + 8);
          fixChecksum(copy, first);
        }),
      );
    expect(pointing(8).error).toBeNull();
    expect(pointing(FIRST).error).toEqual(failure('previous-link', FIRST));
    expect(pointing(FIRST + 8).error).toEqual(failure('previous-link', FIRST));
  });

  it('of an extension is of a later major than 14', () => {
    const draft = { rmid: 200, info: 0 };
    expect(read(write([draft]).bytes).error).toBeNull();
    const of14 = write([draft], { major: 14 }).bytes;
    expect(read(of14, { major: 14 }).error).toEqual(failure('resource-manager', FIRST));
  });
});

describe('a record over several pages', () => {
  const { bytes, lsns } = write([insert(100), insert(20_000)]);

  it.each<[string, (copy: Buffer, header: number) => void]>([
    ['is not said to go on', (copy, header) => copy.writeUInt16LE(0, header + 2)],
    [
      'has more left than it should',
      (copy, header) => copy.writeUInt32LE(copy.readUInt32LE(header + 16) + 1, header + 16),
    ],
    [
      'has less left than it should',
      (copy, header) => copy.writeUInt32LE(copy.readUInt32LE(header + 16) - 1, header + 16),
    ],
    ['has nothing left', (copy, header) => copy.writeUInt32LE(0, header + 16)],
  ])('is refused when on its second or third page it %s', (_name, change) => {
    for (const header of [WAL_PAGE_SIZE, 2 * WAL_PAGE_SIZE]) {
      const { error, endLsn } = read(patch(bytes, (copy) => change(copy, header)));
      expect(error).toEqual(failure('continuation', Lsn.of(START + header)));
      expect(endLsn).toBe(lsns[1]);
    }
  });

  it('is refused when its header lies about its size, at the next page', () => {
    const { error } = read(patch(bytes, (copy) => copy.writeUInt32LE(0x3fff_0000, lsns[1]! - START)));
    expect(error).toEqual(failure('continuation', Lsn.of(START + WAL_PAGE_SIZE)));
  });

  it('cannot be what a stream begins with in its middle', () => {
    const second = Lsn.of(START + WAL_PAGE_SIZE);
    const { error } = read(bytes.subarray(WAL_PAGE_SIZE), { startLsn: second });
    expect(error).toEqual(failure('continuation', second));
  });

  it('may have its header on two pages, or in two segments', () => {
    for (const page of [WAL_PAGE_SIZE, SEGMENT_SIZE])
      for (let before = 8; before < 24; before += 8) {
        const startLsn = Lsn.of(START + page - before);
        const stream = write([insert(300), insert(5)], { startLsn });
        const { records, error } = read(stream.bytes, { startLsn });
        expect(error).toBeNull();
        expect(records.map(({ lsn }) => lsn)).toEqual(stream.lsns);
        const broken = patch(stream.bytes, (copy) => copy.writeUInt32LE(0x1000, copy.length - 72 - 20 * 8));
        expect(read(broken, { startLsn }).error?.lsn).toBe(startLsn);
      }
  });

  it.each([270_000, 40_000_000])('is found however many segments its %i bytes go over', (size) => {
    const segmentSize = 64 * WAL_PAGE_SIZE;
    const startLsn = Lsn.of(1000 * segmentSize - 128);
    const stream = write([insert(size), insert(3)], { startLsn, segmentSize });
    const decoder = new WalDecoder({ major: 17, segmentSize, startLsn });
    const chunk = 1 << 20;
    const found: WalRecord[] = [];
    for (let at = 0; at < stream.bytes.length; at += chunk) {
      decoder.push(stream.bytes.subarray(at, at + chunk));
      for (let record = decoder.next(); record !== null; record = decoder.next()) found.push(record);
    }
    expect(found.map(({ lsn }) => lsn)).toEqual(stream.lsns);
    expect(found[0]?.mainLength).toBe(size);
    expect(found[0]?.bytes.subarray(-size).every((byte) => byte === (size & 0xff))).toBe(true);
  });

  it('D5: takes no more memory than twice what arrived of it, whatever its header says', () => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(0x3fff_fff0);
    header.writeUInt32LE(8, 8);
    header.writeUInt8(Rmgr.HEAP, 17);
    const before = process.memoryUsage().arrayBuffers;
    const decoder = new WalDecoder({ major: 17, segmentSize: SEGMENT_SIZE, startLsn: FIRST });
    decoder.push(header);
    expect(decoder.next()).toBeNull();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });
});

describe('what is behind the end of WAL', () => {
  const { bytes, lsns, endLsn } = write([insert(100), insert(7000)]);

  it('zeros: to the end of the page and beyond', () => {
    expect(read(Buffer.concat([bytes, Buffer.alloc(3 * WAL_PAGE_SIZE)])).error).toEqual(failure('end-of-wal', endLsn));
  });

  it('a recycled segment: older records are not linked to, older pages have another address', () => {
    const older = Lsn.of(START - 8 * SEGMENT_SIZE);
    const recycled = write(
      Array.from({ length: 200 }, () => insert(80)),
      { startLsn: older },
    ).bytes;
    const samePage = Buffer.concat([bytes, recycled.subarray(bytes.length)]);
    expect(read(samePage)).toMatchObject({ endLsn, error: { lsn: endLsn } });
    const filler = write([insert(WAL_PAGE_SIZE - (endLsn % WAL_PAGE_SIZE) - 32)], {
      startLsn: endLsn,
      prevLsn: lsns[1]!,
    });
    const nextPage = Buffer.concat([bytes, filler.bytes, recycled.subarray(WAL_PAGE_SIZE)]);
    expect(read(nextPage)).toMatchObject({
      endLsn: filler.endLsn,
      error: failure('page-header', Lsn.of(START + WAL_PAGE_SIZE)),
    });
  });

  it('a recycled record at the very place, of the same link: told by its checksum or not at all', () => {
    const torn = patch(bytes, (copy) => copy.fill(0x55, copy.length - 4096));
    expect(read(torn)).toMatchObject({ endLsn: lsns[1], error: failure('checksum', lsns[1]!) });
  });
});

describe('XLOG/SWITCH', () => {
  it('ends at the end of its segment, also when its header or its end is at a boundary', () => {
    for (const startLsn of [
      FIRST,
      Lsn.of(START + WAL_PAGE_SIZE - 8),
      Lsn.of(START + SEGMENT_SIZE - 24),
      Lsn.of(START + SEGMENT_SIZE - 8),
    ]) {
      const stream = write([{ rmid: Rmgr.XLOG, info: 0x40 }, insert(9)], { startLsn });
      const { records, error } = read(stream.bytes, { startLsn });
      expect(error).toBeNull();
      expect(records[0]!.endLsn % SEGMENT_SIZE).toBe(0);
      expect(records[1]?.lsn).toBe(records[0]!.endLsn + LONG_PAGE_HEADER_SIZE);
    }
  });

  it('does not look at what fills the segment, as Postgres does not', () => {
    const stream = write([{ rmid: Rmgr.XLOG, info: 0x40 }, insert(9)], { startLsn: FIRST });
    const filled = patch(stream.bytes, (copy) => copy.fill(0xaa, 24, SEGMENT_SIZE - LONG_PAGE_HEADER_SIZE));
    expect(read(filled, { startLsn: FIRST })).toMatchObject({ records: { length: 2 }, error: null });
  });
});

describe('F5, D6: a record that was overwritten', () => {
  const BEFORE = Lsn.of(START + 8);

  interface Overwritten {
    /** Pages of the record that are there; the next one has what overwrites it. */
    readonly pages: number;
    readonly draft: RecordDraft;
    readonly flags?: number;
    readonly startLsn?: Lsn;
  }

  function overwritten({
    pages,
    draft,
    flags = 8,
    startLsn = Lsn.of(START + WAL_PAGE_SIZE - 40),
  }: Overwritten): Buffer {
    const torn = write([insert(50_000)], { startLsn, prevLsn: BEFORE });
    const page = Lsn.of(startLsn - (startLsn % WAL_PAGE_SIZE) + pages * WAL_PAGE_SIZE);
    const next = write([draft, insert(5)], { startLsn: page, prevLsn: BEFORE }).bytes;
    next.writeUInt16LE(next.readUInt16LE(2) | flags, 2);
    return Buffer.concat([torn.bytes.subarray(0, page - startLsn), next]);
  }

  const names = (lsn: Lsn): RecordDraft => {
    const main = new Uint8Array(16);
    new DataView(main.buffer).setBigUint64(0, BigInt(lsn), true);
    return { rmid: Rmgr.XLOG, info: 0xd0, main };
  };
  const TORN = Lsn.of(START + WAL_PAGE_SIZE - 40);

  it.each([1, 2, 3])('is dropped when the page after %i of its pages says so', (pages) => {
    const stream = overwritten({ pages, draft: names(TORN) });
    const { records, error } = read(stream, { startLsn: TORN, prevLsn: BEFORE });
    expect(error).toBeNull();
    expect(records.map(describeRecord)).toEqual(['XLOG/OVERWRITE_CONTRECORD', 'Heap/INSERT']);
    expect(records[0]?.prevLsn).toBe(BEFORE);
  });

  it('is dropped even when no more than a piece of its header was written', () => {
    const startLsn = Lsn.of(START + WAL_PAGE_SIZE - 8);
    const stream = overwritten({ pages: 1, draft: names(startLsn), startLsn });
    expect(read(stream, { startLsn, prevLsn: BEFORE })).toMatchObject({ records: { length: 2 }, error: null });
  });

  const PAGE = Lsn.of(START + WAL_PAGE_SIZE);
  const HERE = Lsn.of(PAGE + SHORT_PAGE_HEADER_SIZE);

  it('is not dropped for a record that says nothing of it', () => {
    const stream = overwritten({ pages: 1, draft: insert(10) });
    const { error } = read(stream, { startLsn: TORN, prevLsn: BEFORE });
    expect(error).toEqual(failure('continuation', HERE));
  });

  it('is not dropped for one that names another record', () => {
    const stream = overwritten({ pages: 1, draft: names(Lsn.of(TORN - 8)) });
    const { error, endLsn } = read(stream, { startLsn: TORN, prevLsn: BEFORE });
    expect(error).toEqual(failure('continuation', HERE));
    expect(endLsn).toBe(TORN);
  });

  it('cannot be said to go on as well', () => {
    const stream = overwritten({ pages: 1, draft: names(TORN), flags: 9 });
    expect(read(stream, { startLsn: TORN, prevLsn: BEFORE }).error).toEqual(failure('continuation', PAGE));
  });

  it('must have been there: a record that overwrites nothing is refused', () => {
    const stream = write([insert(10), names(TORN)]);
    expect(read(stream.bytes).error).toEqual(failure('continuation', stream.lsns[1]!));
  });

  it('a page that says so where a record ended is a page like any other', () => {
    const before = write([insert(WAL_PAGE_SIZE - LONG_PAGE_HEADER_SIZE - 32)]);
    expect(before.endLsn).toBe(PAGE);
    const after = write([insert(10)], { startLsn: PAGE, prevLsn: before.lsns[0]! }).bytes;
    after.writeUInt16LE(8, 2);
    expect(read(Buffer.concat([before.bytes, after]))).toMatchObject({ records: { length: 2 }, error: null });
  });
});

describe('where a stream may begin', () => {
  it.each([8, 16, 24, 32])('not %i bytes into a segment, which begins with a long header', (offset) => {
    const startLsn = Lsn.of(START + offset);
    expect(() => new WalDecoder({ major: 17, segmentSize: SEGMENT_SIZE, startLsn })).toThrow(RangeError);
  });

  it('behind the short header of a page within a segment', () => {
    const startLsn = Lsn.of(START + WAL_PAGE_SIZE + SHORT_PAGE_HEADER_SIZE);
    const stream = write([insert(5)], { startLsn });
    expect(read(stream.bytes, { startLsn }).records).toHaveLength(1);
  });
});
