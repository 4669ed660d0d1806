import { Corrupt, Lsn, SystemId, TenantId, TimelineId } from '@neon/kernel';
import { WAL_PAGE_SIZE, WalEncoder } from '@neon/postgres';
import { SegmentCheck, checkPages } from './segment-check';

const SEGMENT_SIZE = 1024 * 1024;
const START_LSN = Lsn.parse('0/1000000');
const IDENTITY = {
  tenantId: TenantId.parse('aa'.repeat(16)),
  timelineId: TimelineId.parse('bb'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: SEGMENT_SIZE,
};

/** WAL of records of `mainSize` bytes, four segments of it, and where its records end. */
function wal(mainSize: number): { bytes: Buffer; ends: Lsn[] } {
  const encoder = new WalEncoder({
    major: 17,
    segmentSize: SEGMENT_SIZE,
    startLsn: START_LSN,
    prevLsn: Lsn.of(START_LSN - 64),
    systemId: IDENTITY.systemId,
  });
  const parts: Uint8Array[] = [];
  const ends: Lsn[] = [];
  while (encoder.endLsn < START_LSN + 4 * SEGMENT_SIZE) {
    const main = Buffer.alloc(mainSize, ends.length);
    const { bytes, endLsn } = encoder.append({ rmid: 10, info: 0, main });
    parts.push(bytes);
    ends.push(endLsn);
  }
  return { bytes: Buffer.concat(parts), ends };
}

const SMALL = wal(3_001);
const segment = (of: Buffer, number: number): Buffer =>
  Buffer.from(of.subarray(number * SEGMENT_SIZE, (number + 1) * SEGMENT_SIZE));
const placeOf = (number: number) => ({
  identity: IDENTITY,
  startLsn: START_LSN,
  segmentLsn: Lsn.of(START_LSN + number * SEGMENT_SIZE),
});

function check(bytes: Uint8Array, number: number, pieceSize = 128 * 1024): SegmentCheck {
  const checked = new SegmentCheck(placeOf(number));
  for (let at = 0; at < bytes.length; at += pieceSize) checked.push(bytes.subarray(at, at + pieceSize));
  return checked;
}

describe('the check of a segment', () => {
  test.each([3_001, 20_003, 900_001, 1_500_007])('passes WAL of records of %i bytes, in whatever pieces', (size) => {
    const { bytes } = wal(size);
    for (const number of [0, 1, 2, 3])
      for (const pieceSize of [WAL_PAGE_SIZE, 128 * 1024, SEGMENT_SIZE]) {
        checkPages(segment(bytes, number), placeOf(number));
        check(segment(bytes, number), number, pieceSize);
      }
  });

  test('finds any byte of a record that was changed (CK2)', () => {
    const good = segment(SMALL.bytes, 1);
    const firstEnd = (SMALL.ends.find((end) => end > placeOf(1).segmentLsn) ?? START_LSN) - placeOf(1).segmentLsn;
    const lastEnd =
      (SMALL.ends.filter((end) => end <= placeOf(2).segmentLsn).at(-1) ?? START_LSN) - placeOf(1).segmentLsn;
    for (let at = firstEnd; at < lastEnd; at += 7_919) {
      // What pads records to a multiple of eight bytes belongs to none.
      const bytes = Buffer.from(good);
      bytes.fill(bytes[at]! ^ 0xff, at, at + 8);
      expect(() => check(bytes, 1)).toThrow(Corrupt);
    }
  });

  test('finds a page of another place, of another system, and of nothing (CK1)', () => {
    expect(() => checkPages(segment(SMALL.bytes, 2), placeOf(1))).toThrow(
      /not WAL: WAL at 0\/1100000: page says it is at 1200000/,
    );
    const swapped = segment(SMALL.bytes, 1);
    swapped.copy(swapped, 5 * WAL_PAGE_SIZE, 6 * WAL_PAGE_SIZE, 7 * WAL_PAGE_SIZE);
    expect(() => checkPages(swapped, placeOf(1))).toThrow(Corrupt);
    const stranger = { ...placeOf(1), identity: { ...IDENTITY, systemId: SystemId.parse('7000000000000000002') } };
    expect(() => checkPages(segment(SMALL.bytes, 1), stranger)).toThrow(/WAL of system 7000000000000000001/);
    expect(() => checkPages(Buffer.alloc(SEGMENT_SIZE), placeOf(1))).toThrow(Corrupt);
  });

  test('finds whether a tail ends with the record it should', () => {
    const end = SMALL.ends.find((lsn) => lsn > placeOf(1).segmentLsn + 100_000) ?? START_LSN;
    const tail = segment(SMALL.bytes, 1).subarray(0, end - placeOf(1).segmentLsn);
    check(tail, 1).finish(end);
    expect(() => check(tail.subarray(0, tail.length - 8), 1).finish(end)).toThrow(/does not end with the record/);
    expect(() => check(tail, 1).finish(Lsn.of(end - 8))).toThrow(Corrupt);
  });
});
