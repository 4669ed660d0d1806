import { Corrupt, Lsn, SystemId, TenantId, TimelineId, crc32c } from '@neon/kernel';
import fc from 'fast-check';
import { relationPagePrefix } from '../key/key';
import { CommitColumns, decodeCommits, encodeCommits } from './commit-index';
import { type TimelineIndex, decodeTimelineIndex, encodeTimelineIndex } from './timeline-index';

const commits = fc
  .array(
    fc.record({
      step: fc.integer({ min: 8, max: 2 ** 33 }),
      length: fc.integer({ min: 8, max: 4000 }),
      timestampUs: fc.integer({ min: 0, max: 4e15 }),
      logicalSizeBytes: fc.integer({ min: 0, max: 2 ** 45 }),
    }),
    { minLength: 1, maxLength: 50 },
  )
  .map((rows) => {
    const columns = new CommitColumns();
    let lsn = 10_000;
    for (const { step, length, timestampUs, logicalSizeBytes } of rows) {
      lsn += step;
      columns.push({ lsn: Lsn.of(lsn), prevRecordLsn: Lsn.of(lsn - length), timestampUs, logicalSizeBytes });
    }
    return columns;
  });
const rowsOf = (columns: CommitColumns) => Array.from({ length: columns.count }, (_, i) => columns.at(i));

it('I3: commits survive their file', () => {
  fc.assert(
    fc.property(commits, (columns) => expect(rowsOf(decodeCommits(encodeCommits(columns)))).toEqual(rowsOf(columns))),
  );
});

it('I3: any changed byte of a commit index file is Corrupt', () => {
  fc.assert(
    fc.property(commits, fc.nat(), fc.integer({ min: 1, max: 255 }), (columns, pick, flip) => {
      const bytes = encodeCommits(columns).slice();
      bytes[pick % bytes.length]! ^= flip;
      expect(() => decodeCommits(bytes)).toThrow(Corrupt);
    }),
  );
});

it('I1, I2: lookups find what looking through all commits finds', () => {
  fc.assert(
    fc.property(
      commits,
      fc.integer({ min: 0, max: 2 ** 38 }),
      fc.integer({ min: 0, max: 4e15 }),
      (columns, lsn, timestampUs) => {
        const rows = rowsOf(columns);
        expect(columns.countUpTo(Lsn.of(lsn))).toBe(rows.filter((row) => row.lsn <= lsn).length);
        const first = rows.findIndex((row) => row.timestampUs > timestampUs);
        expect(columns.firstAfter(timestampUs)).toBe(first === -1 ? rows.length : first);
      },
    ),
  );
});

const index: TimelineIndex = {
  tenantId: TenantId.parse('a'.repeat(32)),
  timelineId: TimelineId.parse('b'.repeat(32)),
  pgMajor: 17,
  systemId: SystemId.parse('7300000000000000000'),
  walSegmentSize: 16 << 20,
  request: 'r',
  ancestor: { timelineId: TimelineId.parse('c'.repeat(32)), lsn: Lsn.of(4096) },
  startLsn: Lsn.of(4096),
  startPrevRecordLsn: Lsn.of(4000),
  startLogicalSizeBytes: 8192,
  diskConsistentLsn: Lsn.of(2 ** 40),
  prevRecordLsn: Lsn.of(2 ** 40 - 8),
  logicalSizeBytes: 81_920,
  nextSequence: 7,
  layers: [],
  commits: [{ name: 'commits_1', count: 3, endLsn: Lsn.of(5000), timestampMaxUs: 17 }],
  copies: [
    {
      target: { tablespaceOid: 1663, databaseOid: 7 },
      source: { tablespaceOid: 1663, databaseOid: 5 },
      lsn: Lsn.of(4500),
    },
  ],
  unreadable: {
    key: { prefix: relationPagePrefix({ tablespaceOid: 1663, databaseOid: 5, relationNumber: 9 }, 0), index: 3 },
    lsn: Lsn.of(5000),
  },
  safekeepers: [{ id: 1, host: 'h', replicationPort: 5 }],
};

it('X3: an index survives its file, and any changed byte is Corrupt', () => {
  const bytes = encodeTimelineIndex(index).slice();
  expect(decodeTimelineIndex(bytes)).toEqual(index);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at]! ^= 0x20;
    expect(() => decodeTimelineIndex(bytes)).toThrow(Corrupt);
    bytes[at]! ^= 0x20;
  }
});

it('an index that knows of no unreadable page has none', () => {
  const bytes = encodeTimelineIndex({ ...index, unreadable: null });
  const json = Buffer.from(bytes.subarray(16)).toString();
  const content = Buffer.from(json.replace('"unreadable":null,', ''));
  const header = new DataView(bytes.slice(0, 16).buffer);
  header.setUint32(8, content.length);
  header.setUint32(12, crc32c(content));
  expect(content.toString()).not.toContain('unreadable');
  const decoded = decodeTimelineIndex(Buffer.concat([new Uint8Array(header.buffer), content]));
  expect(decoded).toEqual({ ...index, unreadable: null });
});
