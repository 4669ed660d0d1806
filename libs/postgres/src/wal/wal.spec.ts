import { Lsn, SystemId } from '@neon/kernel';
import fc from 'fast-check';
import { POSTGRES_MAJORS } from '../versions';
import { WalBoundaryTracker } from './boundary-tracker';
import { WalDecoder } from './decoder';
import { describeRecord, recordName } from './describe';
import { WalEncoder, encodeRecord, type BlockDraft, type RecordDraft, type WalEncoderOptions } from './encoder';
import { WAL_PAGE_SIZE } from './layout';
import { parseRecord } from './parse-record';
import { recordBytes, type PostgresMajor, type WalRecord } from './record';
import { WalSegment } from './segment';
import { WalError } from './wal-error';

/** Small segments, so that streams of a few records cross many boundaries. */
const SEGMENT_SIZE = 4 * WAL_PAGE_SIZE;
const SYSTEM_ID = SystemId.parse('7300000000000000001');

const bytesOf = (maxLength: number) =>
  fc.nat(maxLength).chain((length) => fc.nat(255).map((byte) => new Uint8Array(length).fill(byte)));

const relation = fc.record({
  tablespaceOid: fc.constantFrom(1663, 1664),
  databaseOid: fc.constantFrom(0, 5),
  relationNumber: fc.constantFrom(1259, 16384),
});

const block = fc
  .record(
    {
      relation,
      fork: fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<0 | 1 | 2 | 3>,
      block: fc.nat(0xffff_fffe),
      willInit: fc.boolean(),
      data: bytesOf(300),
      image: fc.record({
        bytes: fc.nat(8191).map((hole) => new Uint8Array(8192 - hole).fill(7)),
        compression: fc.constant('none' as const),
        apply: fc.boolean(),
      }),
    },
    { requiredKeys: ['relation', 'block'] },
  )
  .map(({ image, ...rest }): Omit<BlockDraft, 'id'> => {
    if (image === undefined) return rest;
    const holeLength = 8192 - image.bytes.length;
    const holeOffset = holeLength === 0 ? 0 : Math.min(24, 8192 - holeLength) || 1;
    return { ...rest, image: { ...image, holeLength, holeOffset: holeLength === 8192 ? 0 : holeOffset } };
  })
  .filter(({ image }) => image === undefined || (image.holeLength < 8192 && image.holeOffset <= image.bytes.length));

const draft: fc.Arbitrary<RecordDraft> = fc
  .record({
    rmid: fc.constantFrom(1, 9, 10, 11, 21),
    info: fc.nat(15).map((code) => code << 4),
    xid: fc.nat(0xffff_ffff),
    main: bytesOf(600),
    originId: fc.constantFrom(0, 0, 7),
    topLevelXid: fc.constantFrom(0, 0, 900),
    blocks: fc.array(block, { maxLength: 3 }),
  })
  .map(({ blocks, ...rest }) => ({ ...rest, blocks: blocks.map((each, i) => ({ ...each, id: i * 2 })) }));

const startLsn = fc
  .tuple(fc.nat(2 ** 21), fc.constantFrom(0, 24, 40, 4096, 8184))
  .map(([page, offset]) => Lsn.of((page + 1) * WAL_PAGE_SIZE + offset))
  // A segment begins with a header of 40 bytes.
  .filter((lsn) => lsn % SEGMENT_SIZE !== 24);

const encoderAt = (lsn: Lsn, options: Partial<WalEncoderOptions> = {}) =>
  new WalEncoder({
    major: 17,
    segmentSize: SEGMENT_SIZE,
    startLsn: lsn,
    prevLsn: Lsn.of(lsn - 64),
    systemId: SYSTEM_ID,
    ...options,
  });

const decoderAt = (lsn: Lsn, major: PostgresMajor = 17) =>
  new WalDecoder({ major, segmentSize: SEGMENT_SIZE, startLsn: lsn });

function drain(decoder: WalDecoder): WalRecord[] {
  const records: WalRecord[] = [];
  for (let record = decoder.next(); record !== null; record = decoder.next()) records.push(record);
  return records;
}

/** The parts of a record as a draft again. */
function redraft(record: WalRecord): RecordDraft {
  const { rmid, info, xid, originId, topLevelXid, bytes, mainOffset, mainLength } = record;
  return {
    rmid,
    info,
    xid,
    originId,
    topLevelXid,
    main: bytes.slice(mainOffset, mainOffset + mainLength),
    blocks: record.blocks.map(({ dataOffset, dataLength, image, ...rest }) => ({
      ...rest,
      data: bytes.slice(dataOffset, dataOffset + dataLength),
      ...(image !== null && {
        image: {
          holeOffset: image.holeOffset,
          holeLength: image.holeLength,
          compression: image.compression,
          apply: image.apply,
          bytes: bytes.slice(image.offset, image.offset + image.length),
        },
      }),
    })),
  };
}

const normalized = (of: RecordDraft): RecordDraft => ({
  ...of,
  blocks: (of.blocks ?? []).map((each) => ({ fork: 0, willInit: false, data: new Uint8Array(0), ...each })),
});

describe('encodeRecord', () => {
  it('E1: a record encoded and parsed has the parts it was made of, in every major', () => {
    fc.assert(
      fc.property(draft, fc.constantFrom(...POSTGRES_MAJORS), (drafted, major) => {
        const bytes = encodeRecord(drafted, { major, prevLsn: Lsn.of(80) });
        const record = parseRecord(bytes, { major, lsn: Lsn.of(160), endLsn: Lsn.of(320) });
        expect(redraft(record)).toEqual(normalized(drafted));
        expect(record.prevLsn).toBe(80);
      }),
    );
  });
});

describe('WalDecoder', () => {
  it('D1: however the stream is cut, the records that were written come out', () => {
    fc.assert(
      fc.property(
        startLsn,
        fc.array(draft, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(...POSTGRES_MAJORS),
        (lsn, drafts, cuts, major) => {
          const encoder = encoderAt(lsn, { major });
          const written = drafts.map((drafted) => encoder.append(drafted));
          const stream = Buffer.concat(written.map(({ bytes }) => bytes));
          const decoder = decoderAt(lsn, major);
          const read: WalRecord[] = [];
          for (let at = 0, i = 0; at < stream.length; at += cuts[i++ % cuts.length]!) {
            decoder.push(stream.subarray(at, at + cuts[i % cuts.length]!));
            read.push(...drain(decoder));
          }
          expect(read.map(redraft)).toEqual(drafts.map(normalized));
          expect(read.map((record) => record.lsn)).toEqual(written.map(({ recordLsn }) => recordLsn));
          expect(read.map((record) => record.endLsn)).toEqual(written.map(({ endLsn }) => endLsn));
          expect(decoder.endLsn).toBe(encoder.endLsn);
          expect(decoder.receivedLsn).toBe(encoder.endLsn);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('D1: cutting at every single byte changes nothing', () => {
    const lsn = Lsn.of(SEGMENT_SIZE - 120);
    const encoder = encoderAt(lsn);
    const stream = Buffer.concat(
      [40, 9000, 3, 0, 500].map((size) => encoder.append({ rmid: 10, info: 0, main: new Uint8Array(size) }).bytes),
    );
    const whole = decoderAt(lsn);
    whole.push(stream);
    const expected = drain(whole).map((record) => [
      record.lsn,
      record.endLsn,
      Buffer.from(recordBytes(record)).toString('hex'),
    ]);
    const byByte = decoderAt(lsn);
    const found: unknown[] = [];
    for (let at = 0; at < stream.length; at++) {
      byByte.push(stream.subarray(at, at + 1));
      for (const record of drain(byByte))
        found.push([record.lsn, record.endLsn, Buffer.from(recordBytes(record)).toString('hex')]);
    }
    expect(found).toEqual(expected);
    expect(expected).toHaveLength(5);
  });

  it('D2: a record is complete with its last padding byte, not before; endLsn is what was received of whole records', () => {
    const lsn = Lsn.of(WAL_PAGE_SIZE * 8 - 48);
    const encoder = encoderAt(lsn);
    const ends = [10, 100, 8300].map((size) => encoder.append({ rmid: 1, info: 0x50, main: new Uint8Array(size) }));
    const stream = Buffer.concat(ends.map(({ bytes }) => bytes));
    for (let stop = 0; stop <= stream.length; stop++) {
      const decoder = decoderAt(lsn);
      const tracker = new WalBoundaryTracker({ major: 17, segmentSize: SEGMENT_SIZE, startLsn: lsn });
      decoder.push(stream.subarray(0, stop));
      const complete = ends.filter(({ endLsn }) => endLsn <= lsn + stop);
      expect(drain(decoder)).toHaveLength(complete.length);
      const expected = complete.at(-1)?.endLsn ?? lsn;
      expect(decoder.endLsn).toBe(expected);
      expect(tracker.push(stream.subarray(0, stop))).toBe(expected);
      expect(tracker.lastRecordLsn).toBe(complete.at(-1)?.recordLsn ?? lsn);
    }
  });

  it('D2: XLOG SWITCH ends with its segment, once the padding is there', () => {
    const lsn = Lsn.of(SEGMENT_SIZE + 40);
    const encoder = encoderAt(lsn);
    const switched = encoder.append({ rmid: 0, info: 0x40 });
    const after = encoder.append({ rmid: 10, info: 0, main: Uint8Array.of(1, 2, 3) });
    expect(switched.endLsn).toBe(2 * SEGMENT_SIZE);
    const decoder = decoderAt(lsn);
    decoder.push(switched.bytes.subarray(0, -1));
    expect(decoder.next()).toBeNull();
    expect(decoder.endLsn).toBe(lsn);
    decoder.push(switched.bytes.subarray(-1));
    expect(decoder.next()?.endLsn).toBe(2 * SEGMENT_SIZE);
    decoder.push(after.bytes);
    expect(decoder.next()?.lsn).toBe(2 * SEGMENT_SIZE + 40);
  });

  it('D3: a flipped bit is an error with an LSN, or makes no difference', () => {
    const lsn = Lsn.of(SEGMENT_SIZE - 200);
    const encoder = encoderAt(lsn);
    const stream = Buffer.concat(
      [30, 200, 8400, 61].map(
        (size) => encoder.append({ rmid: 10, info: 0, main: new Uint8Array(size).fill(size) }).bytes,
      ),
    );
    const intact = decoderAt(lsn);
    intact.push(stream);
    const expected = drain(intact).map((record) => Buffer.from(recordBytes(record)).toString('hex'));
    fc.assert(
      fc.property(fc.nat(stream.length - 1), fc.nat(7), (at, bit) => {
        const broken = Buffer.from(stream);
        broken[at]! ^= 1 << bit;
        const decoder = decoderAt(lsn);
        const tracker = new WalBoundaryTracker({ major: 17, segmentSize: SEGMENT_SIZE, startLsn: lsn });
        decoder.push(broken);
        const read: string[] = [];
        let failure: unknown = null;
        try {
          for (let record = decoder.next(); record !== null; record = decoder.next())
            read.push(Buffer.from(recordBytes(record)).toString('hex'));
        } catch (error) {
          failure = error;
        }
        expect(read).toEqual(expected.slice(0, read.length));
        if (failure === null) {
          // Only an announced length that ends beyond the stream leaves nothing to complain about yet.
          expect(tracker.push(broken)).toBe(decoder.endLsn);
          return;
        }
        expect(failure).toBeInstanceOf(WalError);
        expect((failure as WalError).lsn).toBeGreaterThanOrEqual(decoder.endLsn - 8);
        expect(() => decoder.next()).toThrow(failure as Error);
        expect(() => tracker.push(broken)).toThrow(WalError);
        expect(tracker.endLsn).toBe(decoder.endLsn);
      }),
      { numRuns: 1500 },
    );
  });

  it('D3: garbage is refused or waited upon, never read', () => {
    fc.assert(
      fc.property(startLsn, fc.uint8Array({ minLength: 1, maxLength: 3000 }), (lsn, garbage) => {
        const decoder = decoderAt(lsn);
        decoder.push(garbage);
        let records = 0;
        try {
          records = drain(decoder).length;
        } catch (error) {
          expect(error).toBeInstanceOf(WalError);
        }
        expect(records).toBe(0);
      }),
    );
  });

  it('D3: tells the zeros behind the last record in a segment file from broken bytes', () => {
    const lsn = Lsn.of(SEGMENT_SIZE + 40);
    const { bytes, endLsn } = encoderAt(lsn).append({ rmid: 10, info: 0, main: Uint8Array.of(1) });
    const tracker = new WalBoundaryTracker({ major: 17, segmentSize: SEGMENT_SIZE, startLsn: lsn });
    expect(() => tracker.push(Buffer.concat([bytes, new Uint8Array(100)]))).toThrow(
      expect.objectContaining({ reason: 'end-of-wal', lsn: endLsn }),
    );
    expect(tracker.endLsn).toBe(endLsn);
  });

  it('checks the chain of previous LSNs, the magic of the major and the system the WAL is of', () => {
    const lsn = Lsn.of(SEGMENT_SIZE);
    const { bytes } = encoderAt(lsn).append({ rmid: 10, info: 0, main: Uint8Array.of(1) });
    const read = (options: object) => {
      const decoder = new WalDecoder({ major: 17, segmentSize: SEGMENT_SIZE, startLsn: lsn, ...options });
      decoder.push(bytes);
      return decoder.next();
    };
    expect(read({ prevLsn: Lsn.of(lsn - 64), systemId: SYSTEM_ID })).not.toBeNull();
    expect(() => read({ prevLsn: Lsn.of(lsn - 72) })).toThrow(expect.objectContaining({ reason: 'previous-link' }));
    expect(() => read({ major: 16 })).toThrow(expect.objectContaining({ reason: 'page-header' }));
    expect(() => read({ systemId: SystemId.parse('1') })).toThrow(expect.objectContaining({ reason: 'page-header' }));
    expect(() => read({ startLsn: Lsn.of(2 * SEGMENT_SIZE) })).toThrow(
      expect.objectContaining({ reason: 'page-header' }),
    );
  });

  it('refuses to start where no record can end', () => {
    expect(() => decoderAt(Lsn.of(SEGMENT_SIZE + 4))).toThrow(RangeError);
    expect(() => decoderAt(Lsn.of(SEGMENT_SIZE + 16))).toThrow(RangeError);
  });
});

describe('parseRecord', () => {
  it('P2: cut or lengthened bytes are refused', () => {
    const bytes = encodeRecord(
      {
        rmid: 10,
        info: 0,
        main: new Uint8Array(20),
        blocks: [{ id: 0, relation: { tablespaceOid: 1, databaseOid: 2, relationNumber: 3 }, block: 4 }],
      },
      { major: 17, prevLsn: Lsn.of(8) },
    );
    const position = { major: 17, lsn: Lsn.of(160), endLsn: Lsn.of(320) } as const;
    for (let size = 0; size < bytes.length; size++) {
      expect(() => parseRecord(bytes.slice(0, size), position)).toThrow(WalError);
      const shortened = Buffer.from(bytes.slice(0, size));
      if (size >= 4) shortened.writeUInt32LE(size);
      // One that ends right behind its header, or behind the block reference, merely has no more parts: that is whole.
      if (size !== 24 && size !== 44) expect(() => parseRecord(shortened, position)).toThrow(WalError);
    }
  });

  it('P1: whatever the bytes, offsets stay inside them or it throws WalError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 120 }), (content) => {
        const bytes = Buffer.from(content);
        bytes.writeUInt32LE(bytes.length);
        try {
          const record = parseRecord(bytes, { major: 17, lsn: Lsn.of(160), endLsn: Lsn.of(320) });
          for (const each of record.blocks) {
            expect(each.dataOffset + each.dataLength).toBeLessThanOrEqual(bytes.length);
            if (each.image) expect(each.image.offset + each.image.length).toBeLessThanOrEqual(bytes.length);
          }
          expect(record.mainOffset + record.mainLength).toBe(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(WalError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('describeRecord', () => {
  it.each([
    [17, 10, 0x80, 'Heap/INSERT+INIT'],
    [17, 9, 0x10, 'Heap2/PRUNE_ON_ACCESS'],
    [16, 9, 0x10, 'Heap2/PRUNE'],
    [17, 1, 0x80, 'Transaction/COMMIT'],
    [14, 4, 0x10, 'Database/DROP'],
    [15, 4, 0x10, 'Database/CREATE_WAL_LOG'],
    [17, 0, 0xe0, 'XLOG/CHECKPOINT_REDO'],
    [17, 14, 0x60, 'Gist/PAGE_DELETE'],
    [18, 9, 0xd0, 'Heap2/MULTI_INSERT+INIT'],
    [17, 20, 0x00, 'Generic/Generic'],
  ] as const)('names record %i %i %i as Postgres does: %s', (major, rmid, info, name) => {
    expect(describeRecord({ major, rmid, info })).toBe(name);
  });

  it('N1: what a major does not write has no name, and is described by its numbers', () => {
    expect(recordName({ major: 16, rmid: 0, info: 0xe0 })).toBeNull();
    expect(describeRecord({ major: 16, rmid: 0, info: 0xe0 })).toBe('XLOG/UNKNOWN (e0)');
    expect(describeRecord({ major: 17, rmid: 130, info: 0x10 })).toBe('custom130/UNKNOWN (10)');
  });
});

describe('WalSegment', () => {
  it('names segments as Postgres does and reads the names back', () => {
    const segmentSize = 16 * 1024 * 1024;
    expect(WalSegment.fileName({ lsn: Lsn.parse('0/16B3748'), segmentSize })).toBe('000000010000000000000001');
    expect(WalSegment.fileName({ lsn: Lsn.parse('12/FF000000'), segmentSize, timelineId: 3 })).toBe(
      '0000000300000012000000FF',
    );
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const lsn = WalSegment.startLsn({ lsn: Lsn.of(value), segmentSize });
        const name = WalSegment.fileName({ lsn, segmentSize });
        if (lsn < 2 ** 52) expect(WalSegment.parseFileName(name, segmentSize)?.lsn).toBe(lsn);
      }),
    );
    expect(WalSegment.parseFileName('000000010000000000000100', segmentSize)).toBeNull();
    expect(WalSegment.parseFileName('archive_status', segmentSize)).toBeNull();
  });
});
