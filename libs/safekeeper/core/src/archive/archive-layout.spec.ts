import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { isTailOf, segmentName, tailName, tailPrefix, timelinePrefix } from './archive-layout';

const IDENTITY = {
  tenantId: TenantId.parse('aa'.repeat(16)),
  timelineId: TimelineId.parse('bb'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: 16 * 1024 * 1024,
};
const PREFIX = `wal/${IDENTITY.tenantId}/${IDENTITY.timelineId}/`;

describe('names in the archive', () => {
  test('of segments are those of Postgres, below the timeline (AL1, AL3)', () => {
    expect(segmentName(IDENTITY, Lsn.parse('1/3000028'))).toBe(`${PREFIX}segments/000000010000000100000003`);
    expect(timelinePrefix(IDENTITY)).toBe(PREFIX);
  });

  test('of tails say segment, term, end and safekeeper (AL2)', () => {
    const point = { endLsn: Lsn.parse('1/3A0B0C8'), term: Term.of(12) };
    const name = tailName(IDENTITY, point, SafekeeperId.of(3));
    expect(name).toBe(`${PREFIX}tails/000000010000000100000003_12_0000000103A0B0C8_sk3`);
    expect(name.startsWith(tailPrefix(IDENTITY))).toBe(true);
    expect([3, 13, 1].map((id) => isTailOf(name, SafekeeperId.of(id)))).toEqual([true, false, false]);
    expect(isTailOf(tailName(IDENTITY, point, SafekeeperId.of(13)), SafekeeperId.of(3))).toBe(false);
  });
});
